"""Replaying a recording to the readings topic: the only producer that sets the arrival header. Knows no file format.

Each partition gets a reset tick, its readings, and a closing tick; so the windows do not depend on what was in the topic
before, on the number of partitions, or on the pace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.brokers.protocol import Broker, Publisher, Record
from pipeline.core.replay_order import arrivals
from pipeline.errors import ConfigurationError, SensorlineError, Transient
from pipeline.records import Reading
from pipeline.wire.headers import ARRIVAL, RESET, arrival_header, header, tick
from pipeline.wire.times import INT64_MAX
from producers.pacing import Pacer
from producers.publishing import send_reading
from producers.resuming import Published

FLUSH_EVERY = 5_000  # readings; at a slower pace also before each wait
POLL_S = 1.0
POLLS = 30  # without what was asked for, until giving up

Progress = Callable[[int, int], None]  # (readings that the log has, event time of the last)


@dataclass(frozen=True)
class ReplayPolicy:
    """How to replay. `speed`: 1 is the recording's own pace, 10 ten times as fast, None as fast as the log takes it."""

    idle_timeout_ms: int  # the windower's: the closing tick is so much after the last arrival
    speed: float | None = 1.0
    close: bool = True  # end with the closing tick
    force: bool = False  # also into a topic that live readings go to
    resume: bool = False  # go on with a replay that was stopped or killed, after what the log has of it

    def __post_init__(self) -> None:
        if self.speed is not None and not 0 < self.speed < float("inf"):
            raise ConfigurationError(f'speed = {self.speed}: must be more than 0, or "max"')
        if self.idle_timeout_ms < 1:
            raise ConfigurationError(f"idle_timeout = {self.idle_timeout_ms} ms: must be at least 1 ms")


@dataclass(frozen=True)
class Replayed:
    """What a replay published. A stopped one has no closing tick: its recording has not ended."""

    readings: int  # those that an earlier, resumed one had published are not counted
    last_arrival: int | None
    stopped: bool


def replay(
    broker: Broker, topic: str, readings: Iterable[Reading], policy: ReplayPolicy, pacer: Pacer, progress: Progress | None = None
) -> Replayed:
    """Publishes readings that are in replay order (`pipeline.recordings.ordering`); returns when the log has them all.

    Publishes nothing for a recording without readings. `progress` is told after each flush. Raises `MissingTopic`,
    `ConfigurationError` for a topic whose last record is live, `SensorlineError` for a reading too large or out of
    order, `Transient` where the log did not take what was sent (any part of it may be in the log).
    """
    partitions = sorted(broker.end_offsets(topic))
    if not policy.force:
        _refuse_live(broker, topic)
    published = Published(broker, topic) if policy.resume else None
    publisher = broker.publisher()
    try:
        return _Replay(publisher, topic, policy, pacer, progress or _silent).run(readings, partitions, published)
    finally:
        publisher.close()


def _silent(_readings: int, _time: int) -> None:
    pass


def _refuse_live(broker: Broker, topic: str) -> None:
    live = [record.partition for record in last_records(broker, topic) if header(record.headers, ARRIVAL) is None]
    if live:
        raise ConfigurationError(
            f"topic {topic}: the last record of partition {live[0]} is live; a replay would end all its windows. "
            "Replay to another topic, or say --force"
        )


def last_records(broker: Broker, topic: str) -> Iterator[Record]:
    """The last record of each partition that has one. Raises `Transient` where the log does not hand one out."""
    starts = broker.start_offsets(topic)
    wanted = {partition: end - 1 for partition, end in broker.end_offsets(topic).items() if end > starts[partition]}
    if not wanted:
        return
    consumer = broker.consumer(topic, None, max_records=500)
    try:
        for _ in range(POLLS):
            poll = consumer.poll(POLL_S)
            for assignment in poll.assigned:
                if assignment.partition in wanted:
                    consumer.seek(assignment.partition, wanted[assignment.partition])
            for record in poll.records:
                if wanted.get(record.partition) == record.offset:
                    del wanted[record.partition]
                    yield record
            if not wanted:
                return
    finally:
        consumer.close()
    raise Transient(f"topic {topic}: the last record of partition {min(wanted)} could not be read; try again")


class _Replay:
    """One replay under way."""

    def __init__(self, publisher: Publisher, topic: str, policy: ReplayPolicy, pacer: Pacer, progress: Progress) -> None:
        self._publisher = publisher
        self._topic = topic
        self._policy = policy
        self._pacer = pacer
        self._progress = progress
        self._count = 0
        self._unflushed = 0
        self._time = 0
        self._first_arrival = 0
        self._last_arrival: int | None = None
        self._begun_s = 0.0

    def run(self, readings: Iterable[Reading], partitions: Sequence[int], published: Published | None) -> Replayed:
        pairs = arrivals(readings)
        head = next(pairs, None)
        if head is None:
            return Replayed(0, None, False)
        pairs, fresh, is_closed = chain([head], pairs), partitions, False
        if published is not None:
            begun = published.begun(head[0])
            fresh = [partition for partition in partitions if partition not in begun]
            is_closed = published.is_closed(partitions)
            pairs = published.remaining(pairs, begun)
        self._tick_all(fresh, (RESET, b"1"), arrival_header(head[0]))
        stopped = self._publish(pairs)
        last = head[0] if self._last_arrival is None else self._last_arrival
        if self._policy.close and not stopped and not (is_closed and not self._count):
            self._tick_all(partitions, arrival_header(min(last + self._policy.idle_timeout_ms, INT64_MAX)))
        self._flush()
        return Replayed(self._count, last, stopped)

    def _publish(self, pairs: Iterable[tuple[int, Reading]]) -> bool:
        """Publishes all at their pace; returns whether it was stopped before the end."""
        for arrival, reading in pairs:
            if self._last_arrival is None:
                self._first_arrival = self._last_arrival = arrival
                self._begun_s = self._pacer.clock.monotonic_s()
            elif arrival < self._last_arrival:
                raise SensorlineError(f"reading {self._count + 1}, of {reading.device}, is not in replay order: sort by arrival first")
            if self._stopped_before(arrival, reading):
                return True
            self._send(reading, arrival)
        return False

    def _stopped_before(self, arrival: int, reading: Reading) -> bool:
        """Waits until the reading is due, unless told to stop; what was sent is in the log before any wait."""
        if self._pacer.ask is not None:
            self._flush()
            return not self._pacer.ask(reading)
        if self._policy.speed is None:
            return self._pacer.stop.is_set()
        due_s = self._begun_s + (arrival - self._first_arrival) / 1000 / self._policy.speed
        if due_s > self._pacer.clock.monotonic_s() and self._unflushed:
            self._flush()
        return self._pacer.stopped_before(due_s)

    def _send(self, reading: Reading, arrival: int) -> None:
        send_reading(self._publisher, self._topic, reading, (arrival_header(arrival),))
        self._count += 1
        self._unflushed += 1
        self._time, self._last_arrival = reading.time, arrival
        if self._unflushed >= FLUSH_EVERY:
            self._flush()

    def _tick_all(self, partitions: Sequence[int], *headers: tuple[str, bytes]) -> None:
        for partition in partitions:
            self._publisher.send(tick(self._topic, partition, headers))
            self._unflushed += 1

    def _flush(self) -> None:
        self._publisher.flush()
        self._unflushed = 0
        self._progress(self._count, self._time)

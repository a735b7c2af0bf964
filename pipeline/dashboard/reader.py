"""Follows the topics of a pipeline without a group: from a bounded stretch back, then live, through every loss of the broker.

It commits nothing and never slows anybody down: who cannot keep up passes records over, and says how many.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pipeline.brokers.protocol import Broker, Poll, Record
from pipeline.clock import Clock
from pipeline.errors import SensorlineError, Transient
from pipeline.metrics.health import ALIVE_WITHIN_S, Verdict

log = logging.getLogger(__name__)

RETRY_S = 2.0
IDLE_POLL_S = 0.1
BUSY_POLL_S = 0.01
LOOK_S = 2.0  # how often the ends of the log are looked at: that is also how a broker that is gone is noticed
MOST_RECORDS = 500  # of one poll: the page is answered between two of them
TIMELESS = frozenset({"alerts"})  # an alert holds until it is cleared, however long ago it was raised


class Back(msgspec.Struct, frozen=True):
    """How far back to begin, and how far behind to stay at most."""

    ms: int = 3_600_000
    records: int = 100_000  # of each topic


class Status(msgspec.Struct, frozen=True):
    """Whether the log can be read; `error` says why not, `since` when that began (ms)."""

    connected: bool = False
    error: str | None = None
    since: int = 0
    behind: Mapping[str, int] = {}  # records still to be read, by kind
    skipped: int = 0


class LogReader:
    """`topics`: names by kind, in the order of the flow. Every batch of records goes to `take`, with its kind."""

    def __init__(
        self,
        connect: Callable[[], Broker],
        topics: Mapping[str, str],
        take: Callable[[str, Sequence[Record]], None],
        back: Back,
        clock: Clock,
    ) -> None:
        self._connect = connect
        self._take = take
        self._back = back
        self._clock = clock
        self._from_ms = clock.now_ms() - back.ms
        self._places = {kind: _Place(topic) for kind, topic in topics.items()}
        self._status = Status(since=clock.now_ms())
        self._caught_up = False
        self._taken = 0
        self._signed_s = clock.monotonic_s()

    @property
    def status(self) -> Status:
        """How it stands; may be read from any thread."""
        return self._status

    @property
    def counts(self) -> Mapping[str, int]:
        """Records that were read, and that were passed over."""
        return {"records_in": self._taken, "skipped": self._status.skipped}

    @property
    def gauges(self) -> Mapping[str, int]:
        """None: how far a page is behind is nothing that anybody is to be called for."""
        return {}

    def alive(self) -> Verdict:
        """Not stuck: it has polled, or tried to connect, within five minutes. A broker that is away is no reason for a restart."""
        age_s = self._clock.monotonic_s() - self._signed_s
        return Verdict(age_s <= ALIVE_WITHIN_S, (f"reader: last sign of life {age_s:.0f} s ago",))

    def ready(self) -> Verdict:
        """The log can be read, and what was there at the start has been."""
        status = self._status
        if status.error is not None:
            return Verdict(False, (f"reader: {status.error}",))
        if not self._caught_up:
            return Verdict(False, (f"reader: {sum(status.behind.values())} records to read before the present",))
        return Verdict(True, ("reader: connected",))

    def run(self, stop: threading.Event) -> None:
        """Follows the topics until `stop` is set."""
        while not stop.is_set():
            self._signed_s = self._clock.monotonic_s()
            try:
                broker = self._connect()
                try:
                    self._follow(broker, stop)
                finally:
                    broker.close()
            except SensorlineError as error:
                log.warning("the log cannot be read: %s; trying again", error)
                known = self._status
                since = known.since if known.error else self._clock.now_ms()
                self._status = msgspec.structs.replace(known, connected=False, error=str(error), since=since)
                stop.wait(RETRY_S)

    def _follow(self, broker: Broker, stop: threading.Event) -> None:
        tails = {kind: _Tail(broker, place, self._back.records) for kind, place in self._places.items()}
        self._look(tails)
        for kind, tail in tails.items():  # one after another, so that what is refused or scored is known before
            while tail.behind and not stop.is_set():
                self._turn(kind, tail, IDLE_POLL_S)
                self._say(tails)
        self._caught_up = not stop.is_set()
        look_s = self._clock.monotonic_s()
        busy = False
        while not stop.is_set():
            busy = max([self._turn(kind, tail, BUSY_POLL_S if busy else IDLE_POLL_S) for kind, tail in tails.items()]) > 0
            if self._clock.monotonic_s() - look_s >= LOOK_S:
                self._look(tails)
                look_s = self._clock.monotonic_s()

    def _turn(self, kind: str, tail: _Tail, timeout_s: float) -> int:
        records = tail.poll(timeout_s)
        self._signed_s = self._clock.monotonic_s()
        self._taken += len(records)
        wanted = records if kind in TIMELESS else [record for record in records if record.timestamp >= self._from_ms]
        if wanted:
            self._take(kind, wanted)
        return len(records)

    def _look(self, tails: Mapping[str, _Tail]) -> None:
        for tail in tails.values():
            tail.look()
        self._say(tails)

    def _say(self, tails: Mapping[str, _Tail]) -> None:
        behind = {kind: tail.behind for kind, tail in tails.items()}
        skipped = sum(place.skipped for place in self._places.values())
        since = self._status.since if self._status.connected else self._clock.now_ms()
        self._status = Status(connected=True, since=since, behind=behind, skipped=skipped)


class _Place:
    """How far one topic has been read; it outlives connections."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.next: dict[int, int] = {}
        self.skipped = 0


class _Tail:
    """One connection's reader of one topic."""

    def __init__(self, broker: Broker, place: _Place, most: int) -> None:
        self._broker = broker
        self._place = place
        self._most = most
        self._ends: Mapping[int, int] = {}
        self._consumer = broker.consumer(place.topic, None, MOST_RECORDS)

    @property
    def behind(self) -> int:
        """Records that were in the log at the last look and have not been read."""
        return sum(max(0, end - self._place.next.get(partition, end)) for partition, end in self._ends.items())

    def poll(self, timeout_s: float) -> Sequence[Record]:
        poll: Poll = self._consumer.poll(timeout_s)
        for assignment in poll.assigned:
            # One that was added meanwhile is read from its beginning.
            self._consumer.seek(assignment.partition, self._place.next.setdefault(assignment.partition, 0))
        for record in poll.records:
            self._place.next[record.partition] = record.offset + 1
        return poll.records

    def look(self) -> None:
        """Asks for the ends of the log; passes over what is too far behind them, and begins anew where the log was."""
        broker, place = self._broker, self._place
        begins, starts, self._ends = not self._ends, broker.start_offsets(place.topic), broker.end_offsets(place.topic)
        share = max(1, self._most // len(self._ends))
        for partition, end in self._ends.items():
            first = max(starts[partition], end - share)
            known = place.next.get(partition)
            if known is None and not begins:
                raise Transient(f"topic {place.topic} has got more partitions")
            wanted = first if known is None or known > end else max(known, first)
            if known is not None and wanted > known:
                place.skipped += wanted - known
            if wanted != known:
                place.next[partition] = wanted
                if not begins:
                    self._consumer.seek(partition, wanted)

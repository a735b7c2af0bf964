"""One life of a stage's clients: poll, step, publish, wait for the acknowledgements, save state, commit.

A session can be driven by hand, a turn at a time, with a manual clock. No committed offset ever passes an output that the
log has not acknowledged, and no state that is not saved.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import uuid4

import msgspec

from pipeline.brokers.protocol import Assignment, Broker, Message, Poll, Position, Record
from pipeline.brokers.reading import read_now
from pipeline.clock import Clock
from pipeline.core.buckets import CHECKPOINT_MS
from pipeline.core.keyed_state import NOBODY, Write, state_topic
from pipeline.errors import StateRefused
from pipeline.pace import Pace
from pipeline.stages.protocol import Accept, Handover, Stage
from pipeline.stages.recovery import begins_fresh

log = logging.getLogger(__name__)

POLL_S = 1.0


class SessionOptions(msgspec.Struct, frozen=True):
    """How a stage reads and commits."""

    group: str
    checkpoint_interval_ms: int = 5_000
    max_records: int = 2000
    accept: Accept = Accept.NOTHING
    checkpoint_bytes: int = 256_000_000  # of unsaved state: no checkpoint waits longer than for so much

    def state_topic(self, source: str) -> str:
        """The compacted topic of the group's state about the partitions of `source`."""
        return state_topic(self.group, source)


class Session:
    """One life of a stage's clients. Raises `Transient` when that life is over."""

    def __init__(self, broker: Broker, stage: Stage, options: SessionOptions, clock: Clock) -> None:
        self._broker = broker
        self._stage = stage
        self._clock = clock
        self._state_topic = options.state_topic(stage.source)
        self._accept = options.accept
        self._checkpoint_bytes = options.checkpoint_bytes
        self._pace = Pace(options.checkpoint_interval_ms / 1000, clock)
        self._publisher = broker.publisher()
        self._consumer = broker.consumer(stage.source, options.group, options.max_records)
        self._heard_s: dict[int, float] = {}  # by assigned partition: when a record last came, or a tick was sent
        self._committed: dict[int, int] = {}  # by assigned partition: the offset that was committed last
        self.counts: Counter[str] = Counter()

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions that are assigned now."""
        return tuple(self._heard_s)

    def turn(self, timeout_s: float = POLL_S) -> bool:
        """One turn; waits at most `timeout_s` for input. Returns whether there was any.

        Checkpoints come by time and by bytes of state, and on an atomic broker with every output: there outputs, state and
        position are one transaction, and an output is seen when it ends.
        """
        poll = self._consumer.poll(timeout_s)
        self._rebalance(poll)
        published = self._step(poll) if poll.records else 0
        due = self._pace.is_due() or self._stage.unsaved_bytes() > self._checkpoint_bytes
        if due or (self._broker.atomic and published):
            self.checkpoint()
        self._tick()
        return bool(poll.records)

    def checkpoint(self) -> None:
        """Outputs acknowledged, then state acknowledged, then the positions committed: a crash between any two is harmless."""
        self._pace.begin()
        checkpoints = [self._stage.checkpoint(partition) for partition in self._heard_s]
        moved = [it for it in checkpoints if it.writes or it.position.offset != self._committed.get(it.position.partition)]
        outputs = [message for checkpoint in moved for message in checkpoint.messages]
        for message in outputs:
            self._publisher.send(message)
        self.counts["records_out"] += len(outputs)
        with self._broker.transaction():
            self._publisher.flush()
            for checkpoint in moved:
                self._write(checkpoint.position.partition, checkpoint.writes)
            self._publisher.flush()
            if moved:
                self._consumer.commit([checkpoint.position for checkpoint in moved])
        for checkpoint in moved:
            partition = checkpoint.position.partition
            self._committed[partition] = checkpoint.position.offset
            self._write(partition, self._stage.committed(partition))
        self.counts["checkpoints"] += 1
        CHECKPOINT_MS.add(self.counts, round(self._pace.end() * 1000))

    def drain(self) -> None:
        """Closes what is open in the assigned partitions, and commits."""
        for partition in self._heard_s:
            for message in self._stage.drain(partition, self._clock.now_ms()):
                self._publisher.send(message)
        self.checkpoint()

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Every assigned partition (there is one) has been read up to its offset in `ends`."""
        return bool(self._heard_s) and all(self._consumer.position(p) >= ends.get(p, 0) for p in self._heard_s)

    def behind(self) -> int:
        """Number of records between the position and the end of the log. Raises `Transient`."""
        ends = self._broker.end_offsets(self._stage.source)
        return sum(max(0, ends[partition] - self._consumer.position(partition)) for partition in self._heard_s)

    def close(self) -> None:
        """Leaves the group; what was not committed is read again by whoever comes next."""
        for partition in self._heard_s:
            self._stage.revoke(partition)
        self._heard_s = {}
        self._consumer.close()
        self._publisher.close()

    def _rebalance(self, poll: Poll) -> None:
        for partition in poll.revoked:
            self._committed.pop(partition, None)
            if self._heard_s.pop(partition, None) is not None:
                self._stage.revoke(partition)
                self.counts["revoked"] += 1
                log.info("%s: partition %d revoked", self._stage.name, partition)
        if poll.assigned or poll.revoked:
            self.counts["rebalances"] += 1
        if poll.assigned:
            self._begin(poll.assigned)

    def _begin(self, assigned: Sequence[Assignment]) -> None:
        """Restores what the partitions' last owners left. A partition that nobody has begun is begun at once by a commit that
        names its writer: a state without a commit could not be told from one whose commit was lost."""
        begun_s = self._clock.monotonic_s()
        starts, ends = self._broker.start_offsets(self._stage.source), self._broker.end_offsets(self._stage.source)
        found = {assignment.partition: _begun(assignment.committed) for assignment in assigned}
        fresh = {
            partition: committed is not None and begins_fresh(committed, starts[partition], ends[partition], self._accept)
            for partition, committed in found.items()
        }
        state = self._read_state(found, starts) if self._stage.keeps_state else {}
        for partition, committed in found.items():
            offset = starts[partition] if committed is None or fresh[partition] else committed.offset
            self._consumer.seek(partition, offset)
            records = tuple(state.get(partition, ()))
            is_fresh = fresh[partition] or Accept.RESET in self._accept
            self._stage.assign(Handover(partition, offset, committed, records, uuid4().hex, len(starts), is_fresh, self._accept))
            self._heard_s[partition] = self._clock.monotonic_s()
            taken_ms = round(1000 * (self._heard_s[partition] - begun_s))
            told = "%s: partition %d assigned at offset %d, %d state records restored in %d ms"
            log.info(told, self._stage.name, partition, offset, len(records), taken_ms)
        self.counts.update(assigned=len(assigned), restore_ms=round(1000 * (self._clock.monotonic_s() - begun_s)))
        if None in found.values():
            self.checkpoint()

    def _read_state(self, found: Mapping[int, Position | None], starts: Mapping[int, int]) -> Mapping[int, Sequence[Record]]:
        """The state of the partitions, as their last owners left it: the last record of each key.

        A partition may have been lost while it was read; its new owner then has written state of its own, and deleted what
        it found. So what was found is committed again, unchanged, which the log refuses to all but the owner.
        """
        state: dict[int, dict[bytes | None, Record]] = {partition: {} for partition in found}
        for record in read_now(self._broker, self._state_topic, state.keys()):
            state[record.partition][record.key] = record
        self._consumer.commit([it or Position(partition, starts[partition], NOBODY) for partition, it in found.items()])
        return {partition: tuple(records.values()) for partition, records in state.items()}

    def _write(self, partition: int, writes: Sequence[Write]) -> None:
        for write in writes:
            try:
                self._publisher.send(Message(self._state_topic, write.key, write.value, (), partition))
            except ValueError as error:
                told = f"partition {partition}: what is open of one device cannot be saved: {error}"
                raise StateRefused(f"{told}; lower window.max_pending, max_length or allowed_lateness") from error
            self.counts.update(state_records=1, state_bytes=len(write.key) + len(write.value or b""))

    def _step(self, poll: Poll) -> int:
        now_s = self._clock.monotonic_s()
        for record in poll.records:
            self._heard_s[record.partition] = now_s
        messages = self._stage.step(poll.records, self._clock.now_ms())
        for message in messages:
            self._publisher.send(message)
        self.counts.update(records_in=len(poll.records), records_out=len(messages))
        return len(messages)

    def _tick(self) -> None:
        """Asks the log for the time in partitions that have been read to the end and are silent, where something waits for it."""
        interval_ms = self._stage.tick_interval_ms
        if interval_ms is None:
            return
        now_s = self._clock.monotonic_s()
        silent = [p for p, heard_s in self._heard_s.items() if now_s - heard_s >= interval_ms / 1000]
        ticks = {p: message for p in silent if (message := self._stage.tick(p)) is not None}
        if not ticks:
            return
        ends = self._broker.end_offsets(self._stage.source)
        for partition, message in ticks.items():
            if self._consumer.position(partition) >= ends[partition]:
                self._publisher.send(message)
                self._heard_s[partition] = now_s
                self.counts["ticks_sent"] += 1
        self._publisher.flush()


def _begun(committed: Position | None) -> Position | None:
    """The position, unless nobody has begun from it."""
    return None if committed is None or committed.metadata == NOBODY else committed

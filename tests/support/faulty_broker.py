"""A memory broker that behaves as a cluster may: no transactions, and something can happen between any two steps of a member.

It keeps the broker contract by delegation to a `MemoryBroker`, which alone stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Consumer, Message, Poll, Position, Publisher, Record
from pipeline.errors import LostPartitions
from tests.support.forwarding import ForwardingBroker, ForwardingConsumer, ForwardingPublisher

OnCommit = Callable[[str, Position], None]
"""Told of each position that the log has accepted: topic, position."""


class Step(Enum):
    """What a member is about to do when something happens; `COMMITTED` is what comes after a commit."""

    POLL = "poll"
    RESTORE = "look at offsets, or read without a group"
    OUTPUT = "a record of its output reaches the log"
    STATE = "a record of its state reaches the log"
    COMMIT = "commit one partition"
    COMMITTED = "go on after a commit"


class Steps:
    """The steps of one member; something can be made to happen at one to come."""

    def __init__(self) -> None:
        self._step: Step | None = None
        self._left = 0
        self._happens: Callable[[], None] | None = None

    def at(self, step: Step, number: int, happens: Callable[[], None]) -> None:
        """Before the `number`-th step of that kind from now, from 1."""
        self._step, self._left, self._happens = step, number, happens

    def clear(self) -> None:
        """Nothing is to happen any more."""
        self._happens = None

    def take(self, step: Step) -> None:
        """One step."""
        if step is not self._step:
            return
        self._left -= 1
        if self._left == 0 and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()


class FaultyBroker(ForwardingBroker):
    """One member's connection."""

    def __init__(self, log: MemoryLog, on_commit: OnCommit) -> None:
        super().__init__(MemoryBroker(log))
        self.atomic = False
        self.steps = Steps()
        self.held: frozenset[int] = frozenset()  # what its member was assigned
        self.lost: frozenset[int] = frozenset()  # partitions of a zombie: it learns of its loss only by a refused commit
        self._log = log
        self._on_commit = on_commit

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        self.steps.take(Step.RESTORE)
        return self._inner.start_offsets(topic)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        self.steps.take(Step.RESTORE)
        return self._inner.end_offsets(topic)

    def publisher(self) -> Publisher:
        return _Publisher(self._inner.publisher(), self.steps)

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        inner = self._inner.consumer(topic, group, max_records)
        return _Reader(inner, self.steps) if group is None else _Member(self, inner, topic, max_records)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """What a member goes on to read that does not know that it has lost the partition."""
        return self._log.read(topic, partition, offset, limit)

    def stall(self, partitions: frozenset[int]) -> bool:
        """From now on its member is a zombie, where it holds some of these partitions; the caller takes them away."""
        self.lost = self.held & partitions
        return bool(self.lost)

    def committed(self, topic: str, position: Position) -> None:
        """The log has accepted a position."""
        assert position.partition not in self.lost, "a zombie's commit was accepted"
        self._on_commit(topic, position)


class _Publisher(ForwardingPublisher):
    """What was sent reaches the log one by one, so a crash leaves any beginning of it there."""

    def __init__(self, inner: Publisher, steps: Steps) -> None:
        super().__init__(inner)
        self._steps = steps
        self._sent: list[Message] = []

    def send(self, message: Message) -> None:
        self._sent.append(message)

    def flush(self) -> None:
        while self._sent:
            self._steps.take(Step.STATE if self._sent[0].topic.endswith(".state") else Step.OUTPUT)
            self._inner.send(self._sent.pop(0))
            self._inner.flush()

    def close(self) -> None:
        self._sent.clear()
        super().close()


class _Reader(ForwardingConsumer):
    """Reads without a group, a few records at a time, so that much can happen meanwhile."""

    def __init__(self, inner: Consumer, steps: Steps) -> None:
        super().__init__(inner)
        self._steps = steps

    def poll(self, timeout_s: float) -> Poll:
        self._steps.take(Step.RESTORE)
        return self._inner.poll(timeout_s)


class _Member(ForwardingConsumer):
    """A member of a group. A zombie goes on reading what it held; only a commit tells it."""

    def __init__(self, broker: FaultyBroker, inner: Consumer, topic: str, max_records: int) -> None:
        super().__init__(inner)
        self._broker = broker
        self._topic = topic
        self._max_records = max_records

    def poll(self, timeout_s: float) -> Poll:
        self._broker.steps.take(Step.POLL)
        if self._broker.lost:
            return Poll(records=self._read_on())
        poll = self._inner.poll(timeout_s)
        self._broker.held = self._broker.held - set(poll.revoked) | {assignment.partition for assignment in poll.assigned}
        return poll

    def _read_on(self) -> list[Record]:
        records: list[Record] = []
        for partition in sorted(self._broker.held):
            found = self._broker.read(self._topic, partition, self._inner.position(partition), self._max_records - len(records))
            if found:
                self._inner.seek(partition, found[-1].offset + 1)
            records += found
        return records

    def commit(self, positions: Sequence[Position]) -> None:
        """One partition after the other: what is still this member's is stored, whatever is refused."""
        lost: LostPartitions | None = None
        for position in positions:
            self._broker.steps.take(Step.COMMIT)
            try:
                self._inner.commit([position])
            except LostPartitions as error:
                lost = error
            else:
                self._broker.committed(self._topic, position)
        if lost is not None:
            raise lost
        self._broker.steps.take(Step.COMMITTED)

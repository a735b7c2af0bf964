"""A log in the process's memory, for unit tests and `memory://`: connections to a `MemoryLog`.

Threads may share the log; each has its own broker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pipeline.brokers.admission import check_commit, check_message, check_settings, missing_topic
from pipeline.brokers.cursors import Cursors
from pipeline.brokers.memory_log import Append, Change, Commit, MemoryLog
from pipeline.brokers.partitioner import choose_partition
from pipeline.brokers.protocol import Assignment, Message, Poll, Position, Record, TopicSettings

__all__ = ["MemoryBroker", "MemoryLog"]


class MemoryBroker:
    """One connection to a log in memory; a `Broker`."""

    atomic = True

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._writer = _Writer(log)
        self._consumers: list[MemoryConsumer] = []

    def topics(self) -> Mapping[str, TopicSettings]:
        return self._log.settings()

    def create_topic(self, settings: TopicSettings) -> bool:
        check_settings(settings)
        return self._log.create(settings)

    def delete_topic(self, name: str) -> bool:
        return self._log.delete(name)

    def grow_topic(self, name: str, partitions: int) -> None:
        self._log.grow(name, partitions)

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        return self._log.starts(topic)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        return self._log.ends(topic)

    def publisher(self) -> MemoryPublisher:
        return MemoryPublisher(self._log, self._writer)

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> MemoryConsumer:
        consumer = MemoryConsumer(self._log, self._writer, topic, group, max_records)
        self._consumers.append(consumer)
        return consumer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is flushed and committed inside takes effect at its end, at once, or not at all."""
        with self._writer.together():
            yield

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()


class _Writer:
    """Applies changes at once or, inside `together`, at its end."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._waiting: list[Change] | None = None

    def write(self, changes: Sequence[Change]) -> None:
        if self._waiting is None:
            self._log.apply(changes)
            return
        for change in changes:
            self._log.check(change)
        self._waiting += changes

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._waiting is not None:  # inside another: that one's end counts
            yield
            return
        self._waiting = []
        try:
            yield
            changes = self._waiting
        finally:
            self._waiting = None
        self._log.apply(changes)


class MemoryPublisher:
    """A `Publisher`; what was sent waits here for `flush`."""

    def __init__(self, log: MemoryLog, writer: _Writer) -> None:
        self._log = log
        self._writer = writer
        self._sent: list[Append] = []

    def send(self, message: Message) -> None:
        settings = self._log.settings().get(message.topic)
        if settings is None:
            raise missing_topic(message.topic)
        check_message(message, settings)
        self._sent.append(Append(message, choose_partition(message, settings.partitions)))

    def flush(self) -> None:
        sent, self._sent = self._sent, []
        self._writer.write(sent)

    def close(self) -> None:
        self._sent.clear()


class MemoryConsumer:
    """A `Consumer`; itself the member that the log knows as a partition's owner."""

    def __init__(self, log: MemoryLog, writer: _Writer, topic: str, group: str | None, max_records: int) -> None:
        self._log = log
        self._writer = writer
        self._topic = topic
        self._topic_id = log.topic_id(topic)
        self._group = group
        self._max_records = max_records
        self._cursors = Cursors()
        self._closed = False

    def poll(self, timeout_s: float) -> Poll:
        if self._closed:
            raise ValueError("this consumer is closed")
        return self._log.wait_for(self._next, timeout_s)

    def _next(self) -> Poll | None:
        self._require_topic()
        revoked = self._revoked()
        assigned = self._assigned()
        if revoked or assigned:
            return Poll(revoked, assigned)
        records = self._cursors.read(self._log.ends(self._topic), self._fetch, self._max_records)
        return Poll(records=records) if records else None

    def _require_topic(self) -> None:
        if self._log.topic_id(self._topic) != self._topic_id:
            raise missing_topic(self._topic)

    def _revoked(self) -> tuple[int, ...]:
        if self._group is None:
            return ()
        lost = self._cursors.held - self._log.owned(self._group, self._topic, self)
        for partition in lost:
            self._cursors.drop(partition)
        return tuple(sorted(lost))

    def _assigned(self) -> tuple[Assignment, ...]:
        starts = self._log.starts(self._topic)
        if self._group is not None:
            assigned = self._log.claim(self._group, self._topic, self)
        else:
            assigned = [Assignment(partition, None) for partition in starts.keys() - self._cursors.held]
        for assignment in assigned:
            self._cursors.start(assignment.partition, assignment.committed.offset if assignment.committed else starts[assignment.partition])
        return tuple(sorted(assigned, key=lambda assignment: assignment.partition))

    def _fetch(self, partition: int, offset: int, limit: int) -> tuple[list[Record], bool]:
        records = self._log.read(self._topic, partition, offset, limit)
        return records, len(records) < limit

    def position(self, partition: int) -> int:
        return self._cursors.position(partition)

    def seek(self, partition: int, offset: int) -> None:
        self._cursors.seek(partition, offset)

    def commit(self, positions: Sequence[Position]) -> None:
        group = check_commit(self._group, self._topic, positions, self._cursors.held)
        self._require_topic()
        self._writer.write([Commit(group, self._topic, position, self) for position in positions])

    def close(self) -> None:
        self._closed = True
        self._cursors.clear()
        self._log.release(self)

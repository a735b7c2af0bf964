"""Reading from a SQLite log, as a member of a group or alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from pipeline.brokers.admission import check_commit
from pipeline.brokers.cursors import Cursors
from pipeline.brokers.protocol import Assignment, Poll, Position, Record
from pipeline.brokers.sqlite import log
from pipeline.brokers.sqlite.database import Database
from pipeline.brokers.sqlite.failures import usable
from pipeline.brokers.sqlite.locks import PartitionLocks
from pipeline.brokers.sqlite.topics import Topic
from pipeline.errors import Transient

# Nothing in SQLite wakes another process, so who waits looks again: soon at first, then less often. One look is one query
# of a few rows; asking PRAGMA data_version before it saves nothing that can be measured beside the waking up.
FIRST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.04

_logger = logging.getLogger(__name__)


class SqliteConsumer:
    """A `Consumer`. Partitions that other members of the group hold are taken over when they get free."""

    def __init__(self, database: Database, topic: Topic, group: str | None, max_records: int) -> None:
        self._database = database
        self._topic = topic
        self._group = group
        self._max_records = max_records
        self._locks = PartitionLocks(database.locks, group, topic.id) if group is not None else None
        self._wanted = set(range(topic.settings.partitions))
        self._cursors = Cursors()
        self._told_waiting = False
        self._closed = threading.Event()

    def poll(self, timeout_s: float) -> Poll:
        waited_s, pause_s = 0.0, FIRST_PAUSE_S  # the sum of the pauses, not a clock: a manual one would stand still
        while True:
            if self._closed.is_set():
                raise ValueError("this consumer is closed")
            happened = self._next()
            if happened is not None:
                return happened
            if waited_s >= timeout_s:
                return Poll()
            pause_s = min(pause_s, timeout_s - waited_s)
            self._closed.wait(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _next(self) -> Poll | None:
        ends = log.end_offsets(self._database, self._topic)
        assigned = self._take_free() if self._wanted else ()
        if assigned:
            return Poll(assigned=assigned)
        records = self._cursors.read(ends, self._fetch, self._max_records)
        return Poll(records=records) if records else None

    def _take_free(self) -> tuple[Assignment, ...]:
        with usable(self._database.path):
            taken = sorted(p for p in self._wanted if self._locks is None or self._locks.acquire(p))
        self._wanted.difference_update(taken)
        if self._wanted and not self._told_waiting:
            self._told_waiting = True
            message = "group %s waits for partitions %s of %s: another member has them"
            _logger.info(message, self._group, sorted(self._wanted), self._topic.settings.name)
        return self._assignments(taken) if taken else ()

    def _assignments(self, taken: list[int]) -> tuple[Assignment, ...]:
        """Read after the locks were taken: the members before can commit no more."""
        committed = log.committed(self._database, self._group, self._topic) if self._group is not None else {}
        starts = log.start_offsets(self._database, self._topic)
        for partition in taken:
            self._cursors.start(partition, committed[partition].offset if partition in committed else starts[partition])
        return tuple(Assignment(partition, committed.get(partition)) for partition in taken)

    def _fetch(self, partition: int, offset: int, limit: int) -> tuple[list[Record], bool]:
        """There is a record at `offset`, unless it was deleted: a member must not pass over what it has not read."""
        records, is_all = log.read(self._database, self._topic, partition, offset, limit)
        is_gone = not records or records[0].offset != offset
        if is_gone and self._group is not None and not self._topic.settings.compacted:
            raise Transient(
                f"group {self._group!r}: partition {partition} of {self._topic.settings.name!r} was read up to offset {offset},"
                " and the records there are past their retention"
            )
        return records, is_all

    def position(self, partition: int) -> int:
        return self._cursors.position(partition)

    def seek(self, partition: int, offset: int) -> None:
        self._cursors.seek(partition, offset)

    def commit(self, positions: Sequence[Position]) -> None:
        group = check_commit(self._group, self._topic.settings.name, positions, self._cursors.held)
        with self._database.write() as connection:
            log.commit(connection, group, self._topic, positions)

    def close(self) -> None:
        self._closed.set()
        self._cursors.clear()
        if self._locks is not None:
            self._locks.release()

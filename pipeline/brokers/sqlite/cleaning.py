"""Retention and compaction, in steps of bounded work, so that nobody waits long for the write lock.

Freed pages are used again by later records; the file does not shrink.
"""

from __future__ import annotations

import sqlite3

from pipeline.brokers.sqlite.topics import Topic
from pipeline.clock import Clock

STEP_RECORDS = 5000  # looked at per partition and step
INTERVAL_S = 10.0  # between two rounds of a publisher, unless the last one left work
TOMBSTONE_MS = 3_600_000  # a null value stays this long, so that a reader under way sees that its key is gone


def prune(connection: sqlite3.Connection, topic: Topic, now_ms: int) -> bool:
    """Deletes the oldest records past the topic's retention, up to the first that is not; True where more may be left."""
    if topic.settings.retention_ms is None:
        return False
    oldest_kept = now_ms - topic.settings.retention_ms
    more = [_prune_partition(connection, (topic.id, partition), oldest_kept) for partition in range(topic.settings.partitions)]
    return any(more)


def _prune_partition(connection: sqlite3.Connection, place: tuple[int, int], oldest_kept: int) -> bool:
    first_kept, last = connection.execute(
        "SELECT min(CASE WHEN timestamp >= ? THEN offset END), max(offset) FROM"
        " (SELECT offset, timestamp FROM records WHERE topic = ? AND partition = ? ORDER BY offset LIMIT ?)",
        (oldest_kept, *place, STEP_RECORDS),
    ).fetchone()
    if last is None:
        return False
    before = last + 1 if first_kept is None else first_kept
    deleted = connection.execute("DELETE FROM records WHERE topic = ? AND partition = ? AND offset < ?", (*place, before))
    return deleted.rowcount == STEP_RECORDS


def compact(connection: sqlite3.Connection, topic: Topic, now_ms: int) -> bool:
    """Deletes records that a later one of their key follows, and old null values; True where more may be left."""
    if not topic.settings.compacted:
        return False
    oldest_kept = now_ms - TOMBSTONE_MS
    more = [_compact_partition(connection, (topic.id, partition), oldest_kept) for partition in range(topic.settings.partitions)]
    return any(more)


def _compact_partition(connection: sqlite3.Connection, place: tuple[int, int], oldest_tombstone: int) -> bool:
    """Looks once at each record: at its turn, every earlier record of its key goes. So one step deletes few."""
    fresh = connection.execute(
        "SELECT key, offset FROM records WHERE topic = ? AND partition = ?"
        " AND offset >= (SELECT cleaned FROM partitions WHERE topic = ? AND partition = ?) ORDER BY offset LIMIT ?",
        (*place, *place, STEP_RECORDS),
    ).fetchall()
    connection.executemany(
        "DELETE FROM records WHERE compacted AND topic = ? AND partition = ? AND key = ? AND offset < ?",
        [(*place, key, offset) for key, offset in dict(fresh).items()],
    )
    if fresh:
        connection.execute("UPDATE partitions SET cleaned = ? WHERE topic = ? AND partition = ?", (fresh[-1][1] + 1, *place))
    tombstones = connection.execute(
        "DELETE FROM records WHERE (topic, partition, offset) IN"
        " (SELECT r.topic, r.partition, r.offset FROM records r JOIN partitions p ON (p.topic, p.partition) = (r.topic, r.partition)"
        "  WHERE r.compacted AND r.value IS NULL AND r.topic = ? AND r.partition = ? AND r.timestamp < ? AND r.offset < p.cleaned LIMIT ?)",
        (*place, oldest_tombstone, STEP_RECORDS),
    )
    return STEP_RECORDS in (len(fresh), tombstones.rowcount)


class Cleaner:
    """Decides when a publisher prunes and compacts: now and then, and again at once while work is left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = clock.monotonic_s() + INTERVAL_S

    @property
    def due(self) -> bool:
        """Whether `clean` should be called."""
        return self._clock.monotonic_s() >= self._due_s

    def clean(self, connection: sqlite3.Connection, topics: list[Topic]) -> None:
        """One step on each topic."""
        now_ms = self._clock.now_ms()
        more = [step(connection, topic, now_ms) for topic in topics for step in (prune, compact)]
        self._due_s = self._clock.monotonic_s() + (0.0 if any(more) else INTERVAL_S)

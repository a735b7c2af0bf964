"""Records and committed positions: append, read, count, commit. Offsets come from the partition's counter row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from pipeline.brokers.admission import missing_topic
from pipeline.brokers.protocol import Headers, Message, Position, Record
from pipeline.brokers.sqlite.database import Database
from pipeline.brokers.sqlite.topics import Topic

READ_BYTES = 16 * 1024 * 1024

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(Headers).decode


def append(connection: sqlite3.Connection, topic: Topic, partition: int, messages: Sequence[Message], now_ms: int) -> None:
    """Appends messages in order, stamped max(now, last in the partition), or now where the client stamps.

    Raises `MissingTopic` where the topic was deleted since it was looked up.
    """
    place = (topic.id, partition)
    counters = connection.execute("SELECT next_offset, last_timestamp FROM partitions WHERE topic = ? AND partition = ?", place).fetchone()
    if counters is None:
        raise missing_topic(topic.settings.name)
    offset, last_timestamp = counters
    timestamp = max(now_ms, last_timestamp) if topic.settings.log_append_time else now_ms
    connection.executemany(
        "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *place,
                offset + n,
                timestamp,
                message.key,
                message.value,
                _encode_headers(message.headers) if message.headers else None,
                topic.settings.compacted,
            )
            for n, message in enumerate(messages)
        ],
    )
    connection.execute(
        "UPDATE partitions SET next_offset = ?, last_timestamp = ? WHERE topic = ? AND partition = ?",
        (offset + len(messages), timestamp, *place),
    )


def read(database: Database, topic: Topic, partition: int, offset: int, limit: int) -> tuple[list[Record], bool]:
    """Records from `offset` on, at most `limit` and about `READ_BYTES`; whether the log has no more of them."""
    name = topic.settings.name
    sql = "SELECT offset, timestamp, key, value, headers FROM records WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset"
    records: list[Record] = []
    size = 0
    with database.reading(sql, (topic.id, partition, offset)) as rows:
        for at, timestamp, key, value, headers in rows:
            records.append(Record(name, partition, at, timestamp, key, value, _decode_headers(headers) if headers else ()))
            size += len(value or b"")
            if len(records) == limit or size >= READ_BYTES:
                return records, False
    return records, True


def end_offsets(database: Database, topic: Topic) -> dict[int, int]:
    """Offset of the next record, by partition. Raises `MissingTopic` where the topic was deleted."""
    return _by_partition(database, topic, "SELECT partition, next_offset FROM partitions WHERE topic = ?")


def start_offsets(database: Database, topic: Topic) -> dict[int, int]:
    """Offset of the first record, or of the next where there is none, by partition. Raises `MissingTopic`."""
    first = "SELECT min(offset) FROM records r WHERE r.topic = p.topic AND r.partition = p.partition"
    return _by_partition(database, topic, f"SELECT partition, coalesce(({first}), next_offset) FROM partitions p WHERE topic = ?")


def _by_partition(database: Database, topic: Topic, sql: str) -> dict[int, int]:
    offsets: dict[int, int] = dict(database.rows(sql, (topic.id,)))
    if not offsets:
        raise missing_topic(topic.settings.name)
    return offsets


def commit(connection: sqlite3.Connection, group: str, topic: Topic, positions: Sequence[Position]) -> None:
    """Stores the group's positions. Raises `MissingTopic` where the topic was deleted."""
    if connection.execute("SELECT 1 FROM topics WHERE id = ?", (topic.id,)).fetchone() is None:
        raise missing_topic(topic.settings.name)
    connection.executemany(
        "INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?, ?)",
        [(group, topic.id, position.partition, position.offset, position.metadata) for position in positions],
    )


def committed(database: Database, group: str, topic: Topic) -> dict[int, Position]:
    """What the group last committed, by partition."""
    rows = database.rows("SELECT partition, offset, metadata FROM commits WHERE group_name = ? AND topic = ?", (group, topic.id))
    return {partition: Position(partition, offset, metadata) for partition, offset, metadata in rows}

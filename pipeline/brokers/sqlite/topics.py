"""The topics of a log and their settings: create, delete, look up."""

from __future__ import annotations

import sqlite3

import msgspec

from pipeline.brokers.protocol import TopicSettings
from pipeline.brokers.sqlite.database import Database, Row

_COLUMNS = "id, name, partitions, retention_ms, compacted, log_append_time, max_message_bytes"


class Topic(msgspec.Struct, frozen=True):
    """A topic of the log. A topic that was deleted and created again has another id."""

    id: int
    settings: TopicSettings


def find_all(database: Database) -> list[Topic]:
    """Every topic."""
    return [_topic(row) for row in database.rows(f"SELECT {_COLUMNS} FROM topics ORDER BY name")]


def find(database: Database, name: str) -> Topic | None:
    """The topic of that name, if there is one."""
    rows = database.rows(f"SELECT {_COLUMNS} FROM topics WHERE name = ?", (name,))
    return _topic(rows[0]) if rows else None


def _topic(row: Row) -> Topic:
    topic_id, name, partitions, retention_ms, compacted, log_append_time, max_message_bytes = row
    return Topic(topic_id, TopicSettings(name, partitions, retention_ms, bool(compacted), bool(log_append_time), max_message_bytes))


def create(connection: sqlite3.Connection, settings: TopicSettings) -> bool:
    """False where the topic is there already."""
    created = connection.execute(
        "INSERT INTO topics (name, partitions, retention_ms, compacted, log_append_time, max_message_bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        (
            settings.name,
            settings.partitions,
            settings.retention_ms,
            settings.compacted,
            settings.log_append_time,
            settings.max_message_bytes,
        ),
    )
    if created.rowcount == 0:
        return False
    partitions = [(created.lastrowid, partition) for partition in range(settings.partitions)]
    connection.executemany("INSERT INTO partitions (topic, partition) VALUES (?, ?)", partitions)
    return True


def grow(connection: sqlite3.Connection, topic: Topic, partitions: int) -> None:
    """Adds empty partitions until there are so many."""
    added = [(topic.id, partition) for partition in range(topic.settings.partitions, partitions)]
    connection.executemany("INSERT OR IGNORE INTO partitions (topic, partition) VALUES (?, ?)", added)
    connection.execute("UPDATE topics SET partitions = max(partitions, ?) WHERE id = ?", (partitions, topic.id))


def delete(connection: sqlite3.Connection, name: str) -> bool:
    """Deletes the topic, its records and what groups committed on it; False where there was none."""
    row = connection.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()
    if row is None:
        return False
    for statement in (
        "DELETE FROM records WHERE topic = ?",
        "DELETE FROM commits WHERE topic = ?",
        "DELETE FROM partitions WHERE topic = ?",
        "DELETE FROM topics WHERE id = ?",
    ):
        connection.execute(statement, row)
    return True

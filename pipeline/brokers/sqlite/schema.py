"""The tables of a log and how a connection to it is set up. Knows SQLite and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pipeline.errors import BrokerUnreachable

APPLICATION_ID = 0x534C4F47  # "SLOG": tells a log from other SQLite databases
VERSION = 1

# Offsets come from partitions.next_offset, never from row ids: those begin again at 1 when all rows are deleted.
# records.compacted repeats the topic's setting, so that the two partial indexes cost nothing on other topics.
# partitions.cleaned: each record before it has been looked at by compaction.
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    retention_ms INTEGER,
    compacted INTEGER NOT NULL,
    log_append_time INTEGER NOT NULL,
    max_message_bytes INTEGER NOT NULL
);
CREATE TABLE partitions (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0,
    last_timestamp INTEGER NOT NULL DEFAULT 0,
    cleaned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE records (
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB,
    compacted INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE INDEX records_by_key ON records (topic, partition, key, offset) WHERE compacted;
CREATE INDEX tombstones ON records (topic, partition, timestamp) WHERE compacted AND value IS NULL;
CREATE TABLE commits (
    group_name TEXT NOT NULL,
    topic INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    PRIMARY KEY (group_name, topic, partition)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Creates the tables in a new file and sets the connection up. Raises `BrokerUnreachable` for a database that is no log.

    Must not run in two processes at once: changing to the write-ahead log does not wait for locks.
    """
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables:
        _check_identity(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise BrokerUnreachable(f"the log {path} cannot have a write-ahead log (journal mode {mode}): is it on a network disk?")
    connection.execute("PRAGMA synchronous = FULL")  # with WAL, only FULL makes a commit outlive a loss of power
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if not tables:
        connection.executescript(_TABLES)


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise BrokerUnreachable(f"{path} is a SQLite database of another program, not a log")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise BrokerUnreachable(f"the log {path} has format {version}; this version of sensorline reads and writes format {VERSION}")

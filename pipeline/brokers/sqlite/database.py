"""One connection to the log's file: reads, and transactions that hold the file's only write lock. Knows no topic."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.brokers.sqlite.failures import translated, usable
from pipeline.brokers.sqlite.locks import exclusive
from pipeline.brokers.sqlite.schema import prepare
from pipeline.errors import BrokerUnreachable, Transient

Row = tuple[Any, ...]


class Database:
    """An open log file. Raises `BrokerUnreachable` where it cannot be opened, `Transient` where it is locked too long."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.path = path.resolve()  # one log has one folder of locks, by whatever name it is opened
        self.locks = self.path.with_name(f"{self.path.name}-locks")
        self._inside = False  # a transaction
        self._failed = False  # a part of it
        if not self.path.parent.is_dir():
            raise BrokerUnreachable(f"the log {self.path} cannot be opened: its folder does not exist")
        with translated(self.path), usable(self.path):
            self._connection = self._connect(busy_timeout_s)

    def _connect(self, busy_timeout_s: float) -> sqlite3.Connection:
        self.locks.mkdir(exist_ok=True)
        with exclusive(self.locks / "open.lock"):
            connection = sqlite3.connect(self.path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
            try:
                prepare(connection, self.path)
            except BaseException:
                connection.close()
                raise
            return connection

    def rows(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Row]:
        """All rows of a query."""
        with self.reading(sql, parameters) as cursor:
            return cursor.fetchall()

    @contextmanager
    def reading(self, sql: str, parameters: tuple[object, ...]) -> Iterator[sqlite3.Cursor]:
        """Rows of a query, as many as are wanted. No cursor stays open: that would keep the write-ahead log from being emptied."""
        with translated(self.path), closing(self._connection.execute(sql, parameters)) as cursor:
            yield cursor

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction; inside another one, a part of it. Raises `Transient` where the error of a part was passed over."""
        if self._inside:
            with self._part():
                yield self._connection
            return
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._inside, self._failed = True, False
            try:
                yield self._connection
                if self._failed:
                    raise Transient(f"a part of a transaction on the log {self.path} failed; nothing of it is in the log")
                self._connection.execute("COMMIT")
            finally:
                self._inside = False
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _part(self) -> Iterator[None]:
        """A part that failed may have written half: then the whole must not be committed."""
        with translated(self.path):
            try:
                yield
            except BaseException:
                self._failed = True
                raise

    def close(self) -> None:
        """Idempotent."""
        with translated(self.path):
            self._connection.close()

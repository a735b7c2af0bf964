"""The one seam where errors of SQLite and of the file system become sensorline's.

A full disk and an I/O error are `Transient`: the transaction is undone, nothing acknowledged is lost, and whoever retries
goes on by itself once there is room again. Where they last, opening the log anew fails and says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import BrokerUnreachable, SensorlineError, Transient

_PRIMARY_CODE = 0xFF  # extended result codes keep the primary one in their low byte: https://sqlite.org/rescode.html

_FAILURES: dict[int, tuple[type[SensorlineError], str]] = {
    sqlite3.SQLITE_BUSY: (Transient, "is locked by another process for too long"),
    sqlite3.SQLITE_LOCKED: (Transient, "is locked by another connection for too long"),
    sqlite3.SQLITE_FULL: (Transient, "cannot grow: the disk is full; what was not acknowledged is not in it"),
    sqlite3.SQLITE_IOERR: (Transient, "cannot be read or written: is the disk full or failing?"),
    sqlite3.SQLITE_NOTADB: (BrokerUnreachable, "is not a SQLite database"),
    sqlite3.SQLITE_CORRUPT: (BrokerUnreachable, "is corrupt; restore it from a copy, or move it away to begin a new one"),
    sqlite3.SQLITE_CANTOPEN: (BrokerUnreachable, "cannot be opened: is it a file, and may this user read and write it and its folder?"),
    sqlite3.SQLITE_READONLY: (BrokerUnreachable, "is read-only for this user; the file and its folder must be writable"),
    sqlite3.SQLITE_PERM: (BrokerUnreachable, "may not be opened by this user"),
}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raises SQLite's errors about the log at `path` as a `SensorlineError` that names it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE
        kind, what = _FAILURES.get(code, (SensorlineError, "failed"))
        raise kind(f"the log {path} {what} ({error})") from error


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Raises the file system's errors about the log at `path`, or about the files beside it, as `BrokerUnreachable`."""
    try:
        yield
    except OSError as error:
        raise BrokerUnreachable(f"the log {path} cannot be used ({error})") from error

"""One cell of a recording: what its text means, and how a bad one is reported. Knows no file format."""

from __future__ import annotations

import math
import re

from pipeline.errors import ConfigurationError
from pipeline.wire.times import parse_time

TIME_ALLOWED = "milliseconds since the epoch (at most 2^62), or RFC 3339 such as 2026-01-01T00:00:00.250Z (without a zone: UTC)"
ARRIVAL_ALLOWED = f"a time of 1970 or later: {TIME_ALLOWED}"
NUMBER_ALLOWED = "a finite number; empty or NaN for unobserved"
DEVICE_ALLOWED = "a device id of at least one character"

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


def bad_cell(place: str, column: str, value: object, allowed: str) -> ConfigurationError:
    """The error for a cell; `place` is file and row or line."""
    return ConfigurationError(f"{place}, column {column}: {value!r} is not allowed; allowed is {allowed}")


def time_of(cell: int | str, place: str, column: str = "time") -> int:
    """The event time of a cell, in ms; a text of digits is milliseconds. Raises `ConfigurationError`.

    >>> time_of("1970-01-01T01:00:00.2509+01:00", "x.csv, line 2"), time_of("250", "x.csv, line 3")
    (250, 250)
    """
    try:
        return parse_time(int(cell) if isinstance(cell, str) and _INTEGER.fullmatch(cell) else cell, naive_is_utc=True)
    except ValueError as error:
        raise bad_cell(place, column, cell, TIME_ALLOWED) from error


def arrival_of(cell: int | str, place: str) -> int:
    """The arrival of a cell: a time that is not before the epoch, for a header must carry it. Raises `ConfigurationError`."""
    arrival = time_of(cell, place, "arrival")
    if arrival < 0:
        raise bad_cell(place, "arrival", cell, ARRIVAL_ALLOWED)
    return arrival


def number_of(cell: str, place: str, column: str) -> float | None:
    """A finite number, or None for unobserved (empty, NaN). Raises `ConfigurationError`."""
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError as error:
        raise bad_cell(place, column, cell, NUMBER_ALLOWED) from error
    if math.isinf(value) or "_" in cell:  # Python takes 1_000, other readers of the same file do not
        raise bad_cell(place, column, cell, NUMBER_ALLOWED)
    return None if math.isnan(value) else value

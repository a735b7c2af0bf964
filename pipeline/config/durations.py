"""Durations as text with a unit. Inside the program they are whole milliseconds; `None` is "no bound"."""

from __future__ import annotations

import re

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
EXAMPLES = '"500ms", "10s", "5m", "3h" or "7d"'
LONGEST_MS = 2**61  # a time and a few durations together are still an int64

_DURATION = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Milliseconds of a whole number with a unit; `ValueError` for anything else.

    >>> parse_duration("10s"), parse_duration("500ms")
    (10000, 500)
    """
    match = _DURATION.fullmatch(text)
    ms = int(match[1]) * UNITS_MS[match[2]] if match else None
    if ms is None or ms > LONGEST_MS:
        raise ValueError(f"must be a duration with a unit, such as {EXAMPLES}")
    return ms


def format_duration(ms: int | None) -> str:
    """The shortest text that `parse_duration` reads as the same number of milliseconds.

    >>> format_duration(90_000), format_duration(604_800_000), format_duration(None)
    ('90s', '7d', 'none')
    """
    if ms is None:
        return "none"
    if ms == 0:
        return "0s"
    unit, unit_ms = next((unit, unit_ms) for unit, unit_ms in UNITS_MS.items() if ms % unit_ms == 0)
    return f"{ms // unit_ms}{unit}"

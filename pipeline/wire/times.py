"""Times as people and machines write them, to integer milliseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

INT64_MAX = 2**63 - 1
# Event times, of either sign. Watermarks and the bounds of windows lie beside them by durations, and must be int64 too.
MAX_TIME = 2**62

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_time(value: int | str, naive_is_utc: bool = False) -> int:
    """Milliseconds of a whole number or of RFC 3339 text with a zone; raises `ValueError` that says what is allowed.

    >>> parse_time("2026-01-01T00:00:00.123Z")
    1767225600123
    """
    if isinstance(value, str):
        return _parse_text(value, naive_is_utc)
    if not -MAX_TIME <= value <= MAX_TIME:
        raise ValueError(f"time {value} is more than 2^62 ms from the epoch")
    return value


def _parse_text(text: str, naive_is_utc: bool) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time {text!r} is neither milliseconds since the epoch nor RFC 3339") from None
    if moment.tzinfo is None:
        if not naive_is_utc:
            raise ValueError(f"time {text!r} has no zone; add Z or an offset")
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MILLISECOND

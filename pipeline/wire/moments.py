"""Times as other systems write them, by a named unit or format, to integer milliseconds since the epoch."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from pipeline.wire.times import MAX_TIME

MAX_DIGITS = 100  # of a number that is written as a text
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
RFC_3339 = "rfc3339"
ALLOWED = 'must be "s", "ms", "us", "ns", "rfc3339" or a format of strptime, such as "%d.%m.%Y %H:%M:%S"'

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class TimeFormat(msgspec.Struct, frozen=True):
    """A unit of numbers since the epoch, `rfc3339`, or a format of `strptime`; `zone` is that of texts without one."""

    text: str
    zone: str | None = None  # by its IANA name; None: a text without a zone is refused

    def __post_init__(self) -> None:
        if self.text not in PER_SECOND and self.text != RFC_3339 and "%" not in self.text:
            raise ValueError(ALLOWED)


MILLISECONDS = TimeFormat("ms")


@lru_cache
def find_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; `ValueError` for one that this machine does not know."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # an unknown key is a KeyError, a folder's name an OSError
        raise ValueError('must be the name of a time zone, such as "UTC" or "Europe/Berlin"') from None


def parse_moment(value: object, form: TimeFormat) -> int:
    """Milliseconds, rounded down; raises `ValueError` that says what is allowed.

    >>> parse_moment(1767225600.1234, TimeFormat("s")), parse_moment("01.01.2026", TimeFormat("%d.%m.%Y", "UTC"))
    (1767225600123, 1767225600000)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("time is neither a number nor a text")
    moment = _count(value, form) if form.text in PER_SECOND else _read(str(value), form)
    if not -MAX_TIME <= moment <= MAX_TIME:
        raise ValueError(f"time {str(value)[:100]!r} is more than 2^62 ms from the epoch")
    return moment


def _count(value: int | float | str, form: TimeFormat) -> int:
    if isinstance(value, int):
        return value * 1_000 // PER_SECOND[form.text]
    try:
        if len(str(value)) > MAX_DIGITS or not math.isfinite(float(value)):
            raise ValueError
        # By its decimal digits, as it was written: in binary, 0.123 s is a little less than 123 ms.
        digits = Decimal(str(value)) * 1_000 / PER_SECOND[form.text]
        return int(digits.to_integral_value(ROUND_FLOOR))
    except ValueError:
        raise ValueError(f"time {str(value)[:100]!r} is no number in {form.text}") from None


def _read(text: str, form: TimeFormat) -> int:
    try:
        moment = datetime.fromisoformat(text) if form.text == RFC_3339 else datetime.strptime(text, form.text)
    except ValueError:
        raise ValueError(f"time {text[:100]!r} is not as {form.text} says") from None
    if moment.tzinfo is None:
        if form.zone is None:
            raise ValueError(f"time {text[:100]!r} has no zone, and time_zone names none")
        moment = moment.replace(tzinfo=find_zone(form.zone))
    return (moment - _EPOCH) // _MILLISECOND

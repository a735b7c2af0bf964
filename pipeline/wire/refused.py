"""Readings that were refused because of their time, as the alert rules about clocks see them on the rejected topic."""

from __future__ import annotations

from pipeline.brokers.protocol import Record
from pipeline.core.alert_clock import Place, Refused
from pipeline.core.alert_rules import CLOCK_REASONS
from pipeline.records import RejectReason
from pipeline.wire.headers import ARRIVAL, header

TIMED = frozenset(reason.encode() for reason in CLOCK_REASONS)


def refused(record: Record, readings: str) -> Refused | None:
    """What was refused, of the topic `readings`; None for any other record. Raises `ValueError` where a header is wrong.

    The arrival is that of the reading: its `arrival` header, else the timestamp that its own record had.
    """
    if header(record.headers, "reason") not in TIMED or header(record.headers, "source.topic") != readings.encode():
        return None
    reason = RejectReason((header(record.headers, "reason") or b"").decode())
    place = Place(readings, _number(record, "source.partition"), _number(record, "source.offset"), _number(record, "index", 0))
    recorded = header(record.headers, ARRIVAL)
    arrival = _number(record, ARRIVAL if recorded is not None else "source.timestamp", record.timestamp)
    return Refused((record.key or b"").decode(), reason, place, arrival, recorded is not None)


def _number(record: Record, name: str, otherwise: int | None = None) -> int:
    text = header(record.headers, name)
    if text is None and otherwise is not None:
        return otherwise
    if text is None or not text.isdigit():
        raise ValueError(f"header {name} is {text!r}, not a decimal number")
    return int(text)

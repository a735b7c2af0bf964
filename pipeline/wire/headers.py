"""The headers that sensorline puts on records, and the two records without a value: tick and reset."""

from __future__ import annotations

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.wire.times import INT64_MAX

ARRIVAL = "arrival"
RESET = "reset"
CLOSED = "closed"  # of a window: the log time of the record that closed it, for measuring delays
NO_KEY = b""
INT64_DIGITS = 19


def header(headers: Headers, name: str) -> bytes | None:
    """The last value of the header, None where there is none."""
    return next((value for key, value in reversed(headers) if key == name), None)


def is_tick(record: Record) -> bool:
    """Ticks and resets have a null value and no key."""
    return record.value is None and not record.key


def is_reset(record: Record) -> bool:
    """The tick that begins a replay."""
    return is_tick(record) and header(record.headers, RESET) is not None


def parse_arrival(record: Record) -> tuple[int, bool]:
    """(arrival in ms, whether it comes from the header). Raises `ValueError` for a header that is no decimal int64 >= 0."""
    if not record.headers:
        return record.timestamp, False
    text = header(record.headers, ARRIVAL)
    if text is None:
        return record.timestamp, False
    arrival = _decimal(text)
    if arrival is None:
        raise ValueError(f"header {ARRIVAL} is {text!r}, not a decimal int64 >= 0")
    return arrival, True


def arrival_header(arrival: int) -> tuple[str, bytes]:
    """The header that carries a recorded arrival."""
    return (ARRIVAL, b"%d" % arrival)


def closing_header(record: Record) -> tuple[str, bytes]:
    """The header of a window that `record` closed."""
    return (CLOSED, b"%d" % record.timestamp)


def closing_time(record: Record) -> int | None:
    """Log time of the record that closed a window, in ms; None where it does not say."""
    text = header(record.headers, CLOSED)
    return None if text is None else _decimal(text)


def tick(topic: str, partition: int, headers: Headers = ()) -> Message:
    """A record that only moves the partition's arrival clock."""
    # Kafka's client refuses a record without key and value, so the key is empty, not null.
    return Message(topic, NO_KEY, None, headers, partition)


def _decimal(text: bytes) -> int | None:
    """The decimal int64 >= 0; None for anything else."""
    return number if text.isdigit() and len(text) <= INT64_DIGITS and (number := int(text)) <= INT64_MAX else None

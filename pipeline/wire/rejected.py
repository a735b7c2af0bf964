"""The rejected topic: original bytes and key; the reason and where the record came from are headers."""

from __future__ import annotations

import msgspec

from pipeline.brokers.admission import size_bytes
from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.records import Rejection

# An error may quote what it refuses; the topic takes the original and a little more.
MAX_ERROR_CHARACTERS = 1_000
# A log measures what came to it compressed, and a topic may be one that takes more: an original may be larger than this.
MAX_BYTES = 1_048_576 + 32_768
KEPT_KEY_BYTES = 1_024
KEPT_VALUE_BYTES = 1_000_000


def rejected_message(topic: str, record: Record, rejection: Rejection) -> Message:
    """The message for the rejected topic, which takes it whatever the record is: only the beginning of one that is too large,
    and an empty value where there is neither key nor value."""
    message = _message(topic, record, rejection)
    size = size_bytes(message)
    if size > MAX_BYTES:
        error = f"{rejection.error[: MAX_ERROR_CHARACTERS - 100]} (only the beginning of a record of {size} bytes)"
        key, value = (record.key or b"")[:KEPT_KEY_BYTES], (record.value or b"")[:KEPT_VALUE_BYTES]
        beginning = msgspec.structs.replace(record, key=key, value=value, headers=())
        message = _message(topic, beginning, msgspec.structs.replace(rejection, error=error))
    return message


def _message(topic: str, record: Record, rejection: Rejection) -> Message:
    headers: Headers = (
        ("reason", rejection.reason.encode()),
        ("error", rejection.error[:MAX_ERROR_CHARACTERS].encode(errors="replace")),
        ("source.topic", record.topic.encode()),
        ("source.partition", b"%d" % record.partition),
        ("source.offset", b"%d" % record.offset),
        ("source.timestamp", b"%d" % record.timestamp),
    )
    if rejection.index is not None:
        headers += (("index", b"%d" % rejection.index),)
    # The original headers travel too, so that the record can be published again as it was; of two equal names ours,
    # the last, counts.
    value = b"" if record.key is None and record.value is None else record.value
    return Message(topic, record.key, value, record.headers + headers)


class RawRecord(msgspec.Struct, frozen=True):
    """A rejected record as it is on its topic: the original key and value, and all headers, of equal names the last."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def decode_raw(record: Record) -> RawRecord:
    """The record as it is."""
    return RawRecord(record.key, record.value, dict(record.headers))

"""The rejected topic: original bytes and key; the reason and where the record came from are headers."""

from __future__ import annotations

import msgspec

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.records import Rejection

# An error may quote what it refuses; the topic takes the original and a little more.
MAX_ERROR_CHARACTERS = 1_000


def rejected_message(topic: str, record: Record, rejection: Rejection) -> Message:
    """The message for the rejected topic."""
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
    return Message(topic, record.key, record.value, record.headers + headers)


class RawRecord(msgspec.Struct, frozen=True):
    """A rejected record as it is on its topic: the original key and value, and all headers, of equal names the last."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def decode_raw(record: Record) -> RawRecord:
    """The record as it is."""
    return RawRecord(record.key, record.value, dict(record.headers))

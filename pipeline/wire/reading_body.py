"""The JSON of a record of readings: one reading, or a batch of one device. What its values mean is for `readings`."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pipeline.records import Rejection, RejectReason


class StrictBody(msgspec.Struct, gc=False):
    """Of the usual types: values are numbers, texts or null."""

    device: str
    values: dict[str, float | str | list[float | str | None] | None]
    time: int | str | None = None
    times: list[int | str] | None = None


class LenientBody(msgspec.Struct, gc=False):
    """With anything for a value."""

    device: str
    values: dict[str, Any]
    time: Any = None
    times: list[Any] | None = None


Body = StrictBody | LenientBody

_strict = msgspec.json.Decoder(StrictBody)


class Refused(Exception):
    """A record, or one of its readings, is rejected."""

    def __init__(self, reason: RejectReason, error: str) -> None:
        super().__init__(error)
        self.rejection = Rejection(reason, error)


def parse_body(value: bytes | None) -> Body:
    """What a record says. Raises `Refused`."""
    if not value:
        raise Refused(RejectReason.JSON, "not JSON: the value is empty")
    # The decoder passes over keys that nobody asks for, also where they are no text: others could not read that record.
    if not value.isascii() and not _is_utf8(value):
        raise Refused(RejectReason.JSON, "not JSON: the text is not UTF-8")
    try:
        return _strict.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Python's parser also takes what many producers write for not-a-number, so that it can be called by its name.
        # It is given a text, as of bytes it would also take UTF-16. A byte order mark, which some write before UTF-8, is none of it.
        return msgspec.convert(json.loads(value.decode("utf-8-sig")), LenientBody)
    except msgspec.ValidationError as error:
        raise Refused(RejectReason.SCHEMA, f"not a reading: {error}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(RejectReason.JSON, f"not JSON: {error}") from None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def split_batch(value: bytes) -> list[bytes]:
    """The readings of a batch that the decoder takes, in order, each as it would be in a record of its own."""
    batch = parse_body(value)
    times = batch.times or []
    columns = {sensor: column for sensor, column in batch.values.items() if isinstance(column, list) and len(column) == len(times)}
    return [
        json.dumps(
            {"device": batch.device, "time": time, "values": {sensor: column[place] for sensor, column in columns.items()}},
            separators=(",", ":"),
        ).encode()
        for place, time in enumerate(times)
    ]

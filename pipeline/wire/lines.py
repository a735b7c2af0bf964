"""Records of the topics as lines of JSON, as `sensorline tail` and `sensorline run` print them. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipeline.brokers.protocol import Record
from pipeline.records import RejectReason
from pipeline.wire.headers import header, is_tick
from pipeline.wire.windows import decode_window, window_rows, window_times


class RejectedSource(msgspec.Struct, frozen=True):
    """Where the refused record is in the log."""

    topic: Annotated[str, Meta(description="the topic it was read from")]
    partition: Annotated[int, Meta(description="its partition")]
    offset: Annotated[int, Meta(description="its offset")]


class RejectedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record that was refused, unchanged, and why. On the wire all but `key` and `value` are headers."""

    reason: Annotated[str, Meta(description=f"one of {', '.join(RejectReason)}")]
    error: Annotated[str, Meta(description="why, as a sentence for a person")]
    source: Annotated[RejectedSource, Meta(description="where the record is")]
    key: Annotated[str | None, Meta(description="the original key")]
    value: Annotated[str | None, Meta(description="the original text, of a batch the one reading; bytes that are no UTF-8 as \\xNN")]
    index: Annotated[int | None, Meta(description="place in a batch of readings, from 0")] = None


class Undecodable(msgspec.Struct, frozen=True):
    """What is printed for a record that is not what its topic should carry."""

    undecodable: str
    partition: int
    offset: int
    value: str | None


def json_line(kind: str, record: Record, topic: str | None = None) -> bytes | None:
    """One line, without its end, for a record of a topic of this kind ("readings", "windows", ...); None for a tick.

    `topic` is put first as a field of that name, where it is given.
    """
    if is_tick(record):
        return None
    try:
        decoded = DECODERS[kind](record)
    except ValueError as error:
        decoded = Undecodable(str(error), record.partition, record.offset, _text(record.value))
    if topic is not None:
        decoded = {"topic": topic, **msgspec.to_builtins(decoded)}
    return msgspec.json.encode(decoded)


def _json(record: Record) -> Any:
    try:
        decoded = msgspec.json.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(decoded, dict):
        raise ValueError("not a JSON object")
    return decoded


def _window(record: Record) -> Any:
    window = decode_window(record.value or b"")
    columns = {"times": window_times(window), "values": window_rows(window)}
    return {name: columns.get(name, getattr(window, name)) for name in window.__struct_fields__}


def _rejected(record: Record) -> Any:
    texts = {name: _text(header(record.headers, name)) for name in ("reason", "error", "source.topic")}
    numbers = {name: header(record.headers, name) for name in ("source.partition", "source.offset", "index")}
    missing = [name for name, value in (texts | numbers).items() if value is None and name != "index"]
    if missing:
        raise ValueError(f"no header {missing[0]}")
    partition, offset, index = (int(value) if value is not None else None for value in numbers.values())
    source = RejectedSource(texts["source.topic"] or "", partition or 0, offset or 0)
    return RejectedRecord(texts["reason"] or "", texts["error"] or "", source, _text(record.key), _text(record.value), index)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")


DECODERS: Mapping[str, Callable[[Record], Any]] = {
    "readings": _json,
    "windows": _window,
    "predictions": _json,
    "shadow": _json,
    "alerts": _json,
    "rejected": _rejected,
}

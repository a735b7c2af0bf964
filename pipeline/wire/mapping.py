"""Other people's JSON to readings: where the device, the time and each sensor are found in it. Pure; knows no transport.

A mapping only picks. Whether what it picked is a reading is judged by the decoder of the readings topic, so that a bridge
refuses for the same reasons as the windower would.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.records import Reading, Rejection, RejectReason
from pipeline.wire.moments import MILLISECONDS, TimeFormat, parse_moment
from pipeline.wire.reading_body import Refused
from pipeline.wire.readings import ReadingDecoder, encode_reading
from pipeline.wire.times import INT64_MAX


class FieldMapping(msgspec.Struct, frozen=True):
    """Where the parts of a reading are in a JSON object. Fields may be nested: "a.b".

    A field of the whole name is preferred to a nested one, so that names with dots in them can be named too.
    """

    sensors: Mapping[str, str]  # field by sensor
    device_field: str | None = None
    device: str | None = None  # the same for all
    time_field: str | None = None
    time_format: TimeFormat = MILLISECONDS
    sensor_field: str | None = None  # for an object with one value: where its sensor's name is
    value_field: str = "value"  # and where the value is


class Around(msgspec.Struct, frozen=True):
    """What is known of a body besides what is in it."""

    time: int  # ms; counts where the mapping has no time field
    device: str | None = None  # counts where the mapping has no device
    sensor: str | None = None  # of a body with one value, such as that of a topic of its own


class Mapped(msgspec.Struct, frozen=True):
    """A record of the readings topic."""

    key: bytes
    value: bytes


class Mapper:
    """Makes records of the readings topic of other people's bodies."""

    def __init__(self, mapping: FieldMapping, decoder: ReadingDecoder) -> None:
        self._mapping = mapping
        self._decoder = decoder
        self._sensor_of = {field: sensor for sensor, field in mapping.sensors.items()}

    def map(self, body: bytes | None, around: Around) -> Mapped | Rejection:
        """The record of the reading in `body`, or why there is none."""
        try:
            reading = self._reading(body, around)
            mapped = Mapped(reading.device.encode(), encode_reading(reading))
        except Refused as refused:
            return refused.rejection
        except UnicodeEncodeError as error:  # Python's parser takes lone surrogates, which are no text
            return Rejection(RejectReason.SCHEMA, f"a text is not UTF-8: {error}")
        decoded = self._decoder.decode(mapped.key, mapped.value)
        refusal = decoded if isinstance(decoded, Rejection) else decoded.rows[0]
        return refusal if isinstance(refusal, Rejection) else mapped

    def _reading(self, body: bytes | None, around: Around) -> Reading:
        tree = _parse(body, plain=around.sensor is not None)
        one = around.sensor is not None or self._mapping.sensor_field is not None
        if not isinstance(tree, dict) and around.sensor is None:
            raise Refused(RejectReason.SCHEMA, "not a JSON object")
        values = self._one_value(tree, around) if one else self._values(tree)
        return Reading(self._device(tree, around), self._time(tree, around), values)

    def _values(self, tree: object) -> dict[str, Any]:
        return {sensor: _value(sensor, find(tree, field)) for sensor, field in self._mapping.sensors.items()}

    def _one_value(self, tree: object, around: Around) -> dict[str, Any]:
        name = around.sensor
        if self._mapping.sensor_field is not None:
            name = _text("sensor", self._mapping.sensor_field, find(tree, self._mapping.sensor_field))
        sensor = self._sensor_of.get(name or "", name or "")
        value = find(tree, self._mapping.value_field) if isinstance(tree, dict) else tree
        return {sensor: _value(sensor, value)}

    def _device(self, tree: object, around: Around) -> str:
        if self._mapping.device_field is not None:
            return _text("device", self._mapping.device_field, find(tree, self._mapping.device_field))
        device = self._mapping.device or around.device
        if not device:
            raise Refused(RejectReason.SCHEMA, "no device: there is no key")
        return device

    def _time(self, tree: object, around: Around) -> int:
        field = self._mapping.time_field
        if field is None:
            return around.time
        value = find(tree, field)
        if value is None:
            raise Refused(RejectReason.SCHEMA, f"no time: there is no field {field!r}")
        try:
            return parse_moment(value, self._mapping.time_format)
        except ValueError as error:
            raise Refused(RejectReason.SCHEMA, str(error)) from None


def find(tree: object, field: str) -> object:
    """The value at a field, None where there is none.

    >>> find({"a": {"b": 1}, "a.c": 2}, "a.b"), find({"a": {"b": 1}, "a.c": 2}, "a.c"), find({"a": 1}, "a.b")
    (1, 2, None)
    """
    while isinstance(tree, dict):
        if field in tree:
            return tree[field]
        head, dot, field = field.partition(".")
        tree = tree.get(head) if dot else None
    return None


def _parse(body: bytes | None, plain: bool) -> object:
    """The JSON value; where a body may be `plain`, also a number or a text as they are."""
    if not body:
        raise Refused(RejectReason.JSON, "not JSON: the value is empty")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Python's parser also takes NaN and Infinity, so that they can be called by their name.
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        text = body.decode(errors="replace").strip()
        if not plain or not text or text[0] in '{["':
            raise Refused(RejectReason.JSON, f"not JSON: {error}") from None
    try:
        return float(text)  # "nan" too
    except ValueError:
        return text


def _text(what: str, field: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) <= INT64_MAX else None
    if value is None or value == "":
        raise Refused(RejectReason.SCHEMA, f"no {what}: there is no field {field!r}, or it is empty")
    if not isinstance(value, str):
        raise Refused(RejectReason.SCHEMA, f"the {what} in field {field!r} is neither a text nor a whole number")
    return value


def _value(sensor: str, value: object) -> object:
    """A value that JSON can carry on; what it means is the decoder's business."""
    match value:
        case bool() | str() | None:
            return value
        case int():
            if abs(value) <= INT64_MAX:
                return value
            value = float(value) if value.bit_length() <= 1_000 else math.inf
    if not isinstance(value, float):
        raise Refused(RejectReason.SCHEMA, f"{sensor!r} is neither a number nor a text")
    if not math.isfinite(value):
        raise Refused(RejectReason.NOT_FINITE, f"{sensor!r} is {value!r}, no finite float32")
    return value

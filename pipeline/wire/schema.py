"""JSON Schemas of what travels on the topics, generated from the record types (`sensorline schema`).

They describe decoded records: what `sensorline tail` prints, which for JSON topics is what is on the wire. A window is
MessagePack on the wire, with `times` and `values` packed; a rejected record is the original bytes, the rest are headers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pipeline.records import Alert, Prediction, Window
from pipeline.wire.lines import RejectedRecord

Time = Annotated[int | str, Meta(description="milliseconds since the epoch, or RFC 3339 with a zone")]
Value = Annotated[float | str | None, Meta(description="null: unobserved; a text: for sensors under [sensors.codes]")]
Device = Annotated[str, Meta(min_length=1, description="also the key of the record")]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"


class SingleReading(msgspec.Struct):
    """One reading."""

    device: Device
    time: Time
    values: dict[str, Value]


class BatchOfReadings(msgspec.Struct):
    """Readings of one device, taken in order; each list of values is as long as the list of times."""

    device: Device
    times: list[Time]
    values: dict[str, list[Value]]


def readings_schema() -> dict[str, Any]:
    """A reading, or a batch of readings of one device in one record."""
    references, definitions = msgspec.json.schema_components([SingleReading, BatchOfReadings], ref_template=_REF)
    return _titled("readings", {"anyOf": list(references), "$defs": definitions})


def windows_schema() -> dict[str, Any]:
    """A window; times and values as they are packed."""
    schema = _record_schema("windows", Window)
    properties = schema["$defs"]["Window"]["properties"]
    properties["times"] = {"description": "event times of the steps: int64, little endian, milliseconds since the epoch"}
    properties["values"] = {"description": "steps x sensors, row by row: float32, little endian, NaN = unobserved"}
    return schema | {"description": "MessagePack: a map by these names"}


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "readings": readings_schema,
    "windows": windows_schema,
    "predictions": lambda: _record_schema("predictions", Prediction),
    "alerts": lambda: _record_schema("alerts", Alert),
    "rejected": lambda: _record_schema("rejected", RejectedRecord),
}


def _record_schema(topic: str, record: type) -> dict[str, Any]:
    schema = msgspec.json.schema(record, ref_template=_REF)
    # A default that is a tuple is a list in JSON.
    return _titled(topic, msgspec.json.decode(msgspec.json.encode(schema)))


def _titled(topic: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": _DIALECT, "title": topic, **schema}

"""Readings as JSON: one reading, or a whole batch of one device, in one record.

Decoding is on the path of every reading, so it tries the strict and fast way first: typed JSON, rows packed as they come.
Only what that refuses is looked at value by value, to say what is wrong with it and to keep its good neighbours.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import msgspec

from pipeline.core.step import RowFormat
from pipeline.records import Reading, Rejection, RejectReason
from pipeline.wire.reading_body import Body, Refused, StrictBody, parse_body
from pipeline.wire.times import MAX_TIME, parse_time

FLOAT32_END = 2.0**128 - 2.0**103  # from here on a number is rounded to an infinite float32
MAX_DEVICE_BYTES = 4_096

_ABSENT = float("nan")  # a sensor that is not in the record; known by identity, not to be mistaken for a NaN in it

Row = tuple[int, bytes]  # event time in ms; sensors x 4 bytes of float32


class Decoded(msgspec.Struct, gc=False):
    """The readings of one record, in order: rows for the windower, or why one is refused."""

    device: str
    rows: list[Row | Rejection]
    batch: bool  # a record with `times`: its readings are told apart by their index
    unknown: int = 0  # values of sensors that are not configured


_encoder = msgspec.json.Encoder()


def encode_reading(reading: Reading) -> bytes:
    """JSON of one reading; `arrival` is not part of it (it travels as a header)."""
    return _encoder.encode({"device": reading.device, "time": reading.time, "values": reading.values})


class ReadingDecoder:
    """Decodes the records of the readings topic for a list of sensors.

    `codes`: for sensors that report texts, the texts in the order of their codes 1..n.
    """

    def __init__(self, sensors: Sequence[str], codes: Mapping[str, Sequence[str]] | None = None) -> None:
        self.sensors = tuple(sensors)
        self._known = frozenset(sensors)
        self._codes = {sensor: {text: float(code) for code, text in enumerate(texts, 1)} for sensor, texts in (codes or {}).items()}
        self._format = RowFormat(len(self.sensors))

    def values(self, row: bytes) -> dict[str, float]:
        """The observed values of a row, by sensor; of coded sensors the codes."""
        return {sensor: value for sensor, value in zip(self.sensors, self._format.unpack(row), strict=True) if value == value}

    def decode(self, key: bytes | None, value: bytes | None) -> Decoded | Rejection:
        """The readings of a record, or why the record as a whole is refused."""
        try:
            message = parse_body(value)
            if not message.device:
                raise Refused(RejectReason.SCHEMA, "no device: it is empty")
            device = _checked_device(message.device)
            if key != device:
                raise Refused(RejectReason.KEY, f"the record key is {key!r}, not the device {message.device!r}")
            rows = self._batch(message) if message.times is not None else [self._single(message)]
        except Refused as refused:
            return refused.rejection
        unknown = 0 if message.values.keys() <= self._known else len(message.values.keys() - self._known)
        return Decoded(message.device, rows, message.times is not None, unknown * len(rows))

    def _single(self, message: Body) -> Row | Rejection:
        if isinstance(message, StrictBody) and isinstance(message.time, int) and not self._codes:
            get = message.values.get
            row = self._packed([get(sensor, _ABSENT) for sensor in self.sensors])
            if row is not None and -MAX_TIME <= message.time <= MAX_TIME:
                return message.time, row
        if message.time is None:
            raise Refused(RejectReason.SCHEMA, "no time")
        return self._checked(message.time, [message.values.get(sensor, _ABSENT) for sensor in self.sensors])

    def _batch(self, message: Body) -> list[Row | Rejection]:
        times = message.times or []
        if message.time is not None:
            raise Refused(RejectReason.SCHEMA, "both time and times")
        if not times:
            raise Refused(RejectReason.EMPTY, "times is empty")
        columns = [self._column(sensor, len(times), message.values) for sensor in self.sensors]
        strict = isinstance(message, StrictBody) and not self._codes
        rows: list[Row | Rejection] = []
        for time, values in zip(times, zip(*columns, strict=True), strict=True):
            row = self._packed(values) if strict and isinstance(time, int) and -MAX_TIME <= time <= MAX_TIME else None
            rows.append((time, row) if row is not None else self._checked(time, values))
        return rows

    def _column(self, sensor: str, length: int, values: Mapping[str, object]) -> Sequence[object]:
        column = values.get(sensor)
        if column is None:
            return [_ABSENT] * length
        if not isinstance(column, list) or len(column) != length:
            found = f"{len(column)} values" if isinstance(column, list) else "one value"
            raise Refused(RejectReason.SCHEMA, f"unequal arrays: {length} times and {found} of {sensor!r}")
        return column

    def _packed(self, values: Sequence[object]) -> bytes | None:
        """The row of values known to be finite numbers or null; None where one is something else, or none is a number."""
        try:
            row = self._format.pack(*values) if None not in values else self._format.pack(*[_ABSENT if v is None else v for v in values])
        except (struct.error, OverflowError):
            return None
        return row if row != self._format.unobserved else None

    def _checked(self, time: object, values: Sequence[object]) -> Row | Rejection:
        """The row, value by value, or what is wrong with it."""
        try:
            at = _checked_time(time)
            row = self._format.pack(*[self._number(sensor, value) for sensor, value in zip(self.sensors, values, strict=True)])
            if row == self._format.unobserved:
                raise Refused(RejectReason.EMPTY, "no known sensor has a value")
        except Refused as refused:
            return refused.rejection
        return at, row

    def _number(self, sensor: str, value: object) -> float:
        if value is None or value is _ABSENT:
            return _ABSENT
        if sensor in self._codes:
            return self._code(sensor, value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused(RejectReason.SCHEMA, f"{sensor!r} is {value!r}, not a number")
        if not -FLOAT32_END < value < FLOAT32_END:
            raise Refused(RejectReason.NOT_FINITE, f"{sensor!r} is {value!r}, no finite float32")
        return float(value)

    def _code(self, sensor: str, value: object) -> float:
        codes = self._codes[sensor]
        if not isinstance(value, str) or value not in codes:
            raise Refused(RejectReason.SCHEMA, f"{sensor!r} is {value!r}, none of its codes {', '.join(codes)}")
        return codes[value]


def _checked_device(device: str) -> bytes:
    """The device as the bytes of a key. Its windows carry it twice, as key and in the value, and must fit their topic."""
    try:
        key = device.encode()
    except UnicodeEncodeError:  # Python's parser takes a lone surrogate, which is no text
        raise Refused(RejectReason.SCHEMA, f"the device {device!r} is no text in UTF-8") from None
    if len(key) > MAX_DEVICE_BYTES:
        raise Refused(RejectReason.TOO_LARGE, f"the device's name has {len(key)} bytes; at most {MAX_DEVICE_BYTES} are taken")
    return key


def _checked_time(time: object) -> int:
    if isinstance(time, bool) or not isinstance(time, int | str):
        raise Refused(RejectReason.SCHEMA, f"time is {time!r}, neither milliseconds nor RFC 3339")
    try:
        return parse_time(time)
    except ValueError as error:
        raise Refused(RejectReason.SCHEMA, str(error)) from None

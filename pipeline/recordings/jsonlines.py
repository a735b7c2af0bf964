"""JSON Lines: readings as on the wire, one or a batch of one device in a line, plus `arrival`. Knows no Parquet and no CSV."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.recordings.cells import DEVICE_ALLOWED, TIME_ALLOWED, arrival_of, bad_cell, time_of
from pipeline.records import Reading

Cell = float | str | None


class _Line(msgspec.Struct, gc=False):
    device: str
    values: dict[str, float | str | list[float | str | None] | None]
    time: int | str | None = None
    times: list[int | str] | None = None
    arrival: int | str | None = None


class _Written(msgspec.Struct, gc=False, omit_defaults=True):
    device: str
    time: int
    values: dict[str, Cell]
    arrival: int | None = None


def read_json_lines(file: Iterable[bytes], name: str) -> Iterator[Reading]:
    """Readings in file order; empty lines are passed over, a batch comes as its single readings with the line's arrival.

    Raises `ConfigurationError` that names the line, the field, its value and what is allowed.
    """
    decoder = msgspec.json.Decoder(_Line)
    for number, text in enumerate(file, start=1):
        if number == 1:
            text = text.removeprefix(BOM_UTF8)  # Windows programs put it first
        if not text.strip():
            continue
        place = f"{name}, line {number}"
        try:
            line = decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{place}: {error}; allowed is a reading, or a batch of one device, as JSON") from error
        if not line.device:
            raise bad_cell(place, "device", line.device, DEVICE_ALLOWED)
        arrival = None if line.arrival is None else arrival_of(line.arrival, place)
        for time, values in _rows(line, place):
            yield Reading(line.device, time, values, arrival)


def _rows(line: _Line, place: str) -> Iterator[tuple[int, dict[str, Cell]]]:
    """(event time, observed values) of each reading in the line."""
    if line.times is None:
        if line.time is None:
            raise bad_cell(place, "time", None, TIME_ALLOWED)
        yield time_of(line.time, place), _observed(line.values, place)
        return
    if line.time is not None:
        raise bad_cell(place, "time", line.time, "no time beside times")
    columns = {sensor: _column(sensor, column, len(line.times), place) for sensor, column in line.values.items() if column is not None}
    for index, time in enumerate(line.times):
        yield time_of(time, place), _observed({sensor: column[index] for sensor, column in columns.items()}, place)


def _column(sensor: str, column: Cell | list[Cell], length: int, place: str) -> list[Cell]:
    if not isinstance(column, list) or len(column) != length:
        raise bad_cell(place, sensor, column, f"a list as long as times ({length})")
    return column


def _observed(row: dict[str, Cell | list[Cell]] | dict[str, Cell], place: str) -> dict[str, Cell]:
    values: dict[str, Cell] = {}
    for sensor, cell in row.items():
        if isinstance(cell, list):
            raise bad_cell(place, sensor, cell, "one value; a list only beside times")
        if cell is not None:
            values[sensor] = cell
    return values


def write_json_lines(file: BinaryIO, readings: Iterable[Reading]) -> None:
    """One reading in a line, as on the wire, plus `arrival` where the reading has one."""
    encoder = msgspec.json.Encoder()
    for reading in readings:
        line = _Written(reading.device, reading.time, reading.values, reading.arrival)
        file.write(encoder.encode(line) + b"\n")

"""CSV recordings: UTF-8, commas, a header line; empty is unobserved. Knows no other format."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator
from typing import BinaryIO

from pipeline.errors import ConfigurationError
from pipeline.recordings.cells import DEVICE_ALLOWED, arrival_of, bad_cell, number_of, time_of
from pipeline.recordings.columns import ARRIVAL, DEVICE, RESERVED, TIME, Layout, check_columns
from pipeline.records import Reading

_OTHER_SEPARATORS = set(";\t|")  # as Excel writes where the comma is in numbers


def read_csv(file: BinaryIO, name: str, text: Collection[str] = ()) -> Iterator[Reading]:
    """Readings in file order. A column is numbers unless it is named in `text`: a file alone cannot tell a code from a typing error.

    Raises `ConfigurationError` that names line, column, value and what is allowed.
    """
    rows = _rows(file, name)
    header = next(rows, (1, []))[1]
    if len(header) == 1 and _OTHER_SEPARATORS & set(header[0]):
        raise ConfigurationError(
            f"{name}: the cells of {header[0]!r} are not separated by commas; save it as CSV with commas, and points in numbers"
        )
    check_columns(name, header)
    index_of = {column: index for index, column in enumerate(header)}
    sensors = [(column, index, column in text) for column, index in index_of.items() if column not in RESERVED]
    device_at, time_at, arrival_at = index_of[DEVICE], index_of[TIME], index_of.get(ARRIVAL)
    for line, row in rows:
        place = f"{name}, line {line}"
        if len(row) != len(header):
            raise ConfigurationError(f"{place}: {len(row)} cells; allowed are {len(header)}, as in the header")
        if not row[device_at]:
            raise bad_cell(place, DEVICE, "", DEVICE_ALLOWED)
        arrival = None if arrival_at is None or not row[arrival_at] else arrival_of(row[arrival_at], place)
        yield Reading(row[device_at], time_of(row[time_at], place), _values(row, sensors, place), arrival)


def _rows(file: BinaryIO, name: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the row's last line, cells); lines without anything are passed over."""
    reader = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}, after line {reader.line_num}: {error}; allowed is CSV in UTF-8 with commas") from error


def _values(row: list[str], sensors: list[tuple[str, int, bool]], place: str) -> dict[str, float | str | None]:
    values: dict[str, float | str | None] = {}
    for sensor, index, is_text in sensors:
        cell = row[index]
        value = (cell or None) if is_text else number_of(cell, place, sensor)
        if value is not None:
            values[sensor] = value
    return values


def write_csv(file: BinaryIO, readings: Iterable[Reading], layout: Layout) -> None:
    """A header line, then one line for each reading; numbers with all their digits."""
    lines = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(lines)  # lines end with CR LF (RFC 4180): with LF alone the module leaves a CR in a cell unquoted
    writer.writerow(layout.names())
    for reading in readings:
        arrival = [reading.arrival] if layout.arrival else []
        writer.writerow([reading.device, reading.time, *arrival, *map(reading.values.get, layout.sensors)])
    lines.detach()

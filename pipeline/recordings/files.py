"""Reading and writing recordings in any of the formats, chosen by the file's name; `-` is JSON Lines from standard input."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.atomic import atomic_file
from pipeline.recordings.columns import RESERVED, Layout
from pipeline.recordings.delimited import read_csv, write_csv
from pipeline.recordings.jsonlines import read_json_lines, write_json_lines
from pipeline.recordings.parquet import read_parquet, write_parquet
from pipeline.records import Reading

STANDARD_INPUT = "-"
EXTENSIONS = (".parquet", ".csv", ".jsonl")


def read_recording(source: str | Path, text: Collection[str] = ()) -> Iterator[Reading]:
    """Readings in file order, in constant memory; unobserved sensors are left out of `values`.

    `text`: sensors whose values are text (codes); only CSV needs to be told. Raises `ConfigurationError` that names the file,
    the row or line, the column, its value and what is allowed; a missing file or a wrong extension at the call, the rest on the way.
    """
    if str(source) == STANDARD_INPUT:
        return read_json_lines(sys.stdin.buffer, "standard input")
    path = Path(source)
    if not path.exists():
        raise ConfigurationError(f"{path}: no such file; give a recording")
    extension = _extension(path)
    if not path.is_file():
        raise ConfigurationError(f"{path}: is a folder; give a recording")
    return read_parquet(path) if extension == ".parquet" else _read_text(path, extension, text)


def _read_text(path: Path, extension: str, text: Collection[str]) -> Iterator[Reading]:
    try:
        with path.open("rb") as file:
            yield from read_csv(file, str(path), text) if extension == ".csv" else read_json_lines(file, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error


def write_recording(path: Path, readings: Iterable[Reading], sensors: Sequence[str], text: Collection[str] = ()) -> int:
    """Writes all readings, whole or not at all, in constant memory; returns how many.

    `sensors` are the columns in order, those in `text` hold text, the others numbers. The file has arrivals if the first
    reading has one. Raises `SensorlineError` for a reading that does not fit, and where the file cannot be written.
    """
    extension = _extension(path)
    for reserved in RESERVED:
        if reserved in sensors:
            raise ConfigurationError(f"sensor {reserved}: the name is that of a column; allowed is any but {', '.join(RESERVED)}")
    remaining = iter(readings)
    head = next(remaining, None)
    arrival = head is not None and head.arrival is not None
    layout = Layout(tuple(sensors), frozenset(text), arrival)
    counted = _Counted(_fitting(chain([] if head is None else [head], remaining), layout))
    with atomic_file(path) as file:
        match extension:
            case ".parquet":
                write_parquet(file, counted, layout)
            case ".csv":
                write_csv(file, counted, layout)
            case _:
                write_json_lines(file, counted)
    return counted.count


def _extension(path: Path) -> str:
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        raise ConfigurationError(f"{path}: extension {extension or 'none'}; allowed are {', '.join(EXTENSIONS)}")
    return extension


class _Counted:
    def __init__(self, readings: Iterator[Reading]) -> None:
        self._readings = readings
        self.count = 0

    def __iter__(self) -> Iterator[Reading]:
        for reading in self._readings:
            self.count += 1
            yield reading


def _fitting(readings: Iterable[Reading], layout: Layout) -> Iterator[Reading]:
    """The readings as they are; raises `SensorlineError` for the first that the layout cannot hold."""
    fits: dict[str, Callable[[float | str], bool]] = {
        sensor: _is_text if sensor in layout.text else _is_number for sensor in layout.sensors
    }
    for reading in readings:
        if (reading.arrival is not None) != layout.arrival:
            raise SensorlineError(f"reading of {reading.device} at {reading.time}: give all readings an arrival, or none")
        for sensor, value in reading.values.items():
            if sensor not in fits:
                raise SensorlineError(f"reading of {reading.device} at {reading.time}: sensor {sensor} is not one of {layout.sensors}")
            if value is not None and not fits[sensor](value):
                raise SensorlineError(f"reading of {reading.device} at {reading.time}: sensor {sensor} cannot be {value!r}")
        yield reading


def _is_text(value: float | str) -> bool:
    return isinstance(value, str)


def _is_number(value: float | str) -> bool:
    return not isinstance(value, str) and not math.isinf(value)

"""Parquet recordings, read and written in pieces, so that a file may be larger than memory, and data frames, by the same rules.

Types taken: device text or integer; time and arrival int64 milliseconds, timestamp (without a zone: UTC) or RFC 3339 text;
sensors integer, floating point, decimal, boolean (1 or 0) or text; each may be dictionary-encoded. Null, and NaN, is unobserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

# pyarrow has no type stubs.
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from pyarrow import types

from pipeline.errors import ConfigurationError
from pipeline.recordings.cells import ARRIVAL_ALLOWED, DEVICE_ALLOWED, NUMBER_ALLOWED, TIME_ALLOWED, bad_cell, time_of
from pipeline.recordings.columns import ARRIVAL, DEVICE, OFFSET, RESERVED, TIME, Layout, check_columns
from pipeline.records import Reading

ROWS_READ = 8_192  # held in memory at a time
ROWS_WRITTEN = 65_536  # a row group

_NUMBERS = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_null)


def read_parquet(path: Path, begin: int | None = None) -> Iterator[Reading]:
    """Readings in file order; of a part of a recorded topic only those of the offset `begin` and after it.

    Raises `ConfigurationError` that names row (from 1), column, value and what is allowed.
    """
    first_row = 1
    try:
        with pq.ParquetFile(path) as file:
            check_columns(str(path), file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=ROWS_READ):
                wanted = batch if begin is None else batch.filter(pc.greater_equal(batch.column(OFFSET), begin))
                yield from _Batch(str(path), wanted, first_row).readings()
                first_row += batch.num_rows
    except pa.ArrowException as error:
        raise ConfigurationError(f"{path}: is not a sound Parquet file: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_frame(frame: Any, name: str = "data frame") -> Iterator[Reading]:
    """Readings of a pandas data frame, in its order; the index is no column. Raises `ConfigurationError` as `read_parquet` does."""
    check_columns(name, [str(column) for column in frame.columns])
    first_row = 1
    try:
        for batch in pa.Table.from_pandas(frame, preserve_index=False).to_batches(ROWS_READ):
            yield from _Batch(name, batch, first_row).readings()
            first_row += batch.num_rows
    except pa.ArrowException as error:
        raise ConfigurationError(f"{name}: {'; '.join(map(str, error.args))}") from error


class _Batch:
    """One record batch as readings; knows where it is, for the errors."""

    def __init__(self, name: str, batch: Any, first_row: int) -> None:
        self._name = name
        self._first_row = first_row
        self._columns = {column: _decoded(batch.column(index)) for index, column in enumerate(batch.schema.names)}

    def readings(self) -> Iterator[Reading]:
        devices = self._devices()
        times = self._times(TIME)
        self._refuse_null(TIME, times, TIME_ALLOWED)
        arrivals: list[Any] = self._times(ARRIVAL) if ARRIVAL in self._columns else [None] * len(times)
        self._refuse_negative_arrival(arrivals)
        sensors = [column for column in self._columns if column not in RESERVED]
        rows: Iterable[tuple[Any, ...]] = zip(*map(self._values, sensors), strict=True) if sensors else [()] * len(times)
        for device, time, arrival, row in zip(devices, times, arrivals, rows, strict=True):
            values = {sensor: value for sensor, value in zip(sensors, row, strict=True) if value is not None}
            yield Reading(device, time, values, arrival)

    def _devices(self) -> list[Any]:
        column = self._columns[DEVICE]
        if not (_is_text(column.type) or types.is_integer(column.type)):
            raise self._bad_type(DEVICE, "text or integers")
        devices: list[Any] = column.cast(pa.string()).to_pylist()
        self._refuse_null(DEVICE, devices, DEVICE_ALLOWED)
        if "" in devices:
            raise self._bad(DEVICE, devices.index(""), "", DEVICE_ALLOWED)
        return devices

    def _times(self, name: str) -> list[Any]:
        column = self._columns[name]
        if types.is_timestamp(column.type):
            column = pc.floor_temporal(column, unit="millisecond").cast(pa.timestamp("ms", column.type.tz)).cast(pa.int64())
        elif _is_text(column.type) or types.is_uint64(column.type):  # cell by cell, as each may be no time
            return [None if cell is None else time_of(cell, self._place(index), name) for index, cell in enumerate(column.to_pylist())]
        elif not (types.is_integer(column.type) or types.is_null(column.type)):
            raise self._bad_type(name, TIME_ALLOWED)
        times: list[Any] = column.cast(pa.int64()).to_pylist()
        return times

    def _values(self, name: str) -> list[Any]:
        column = self._columns[name]
        if _is_text(column.type):
            texts: list[Any] = column.to_pylist()
            return texts
        if not any(is_number(column.type) for is_number in _NUMBERS):
            raise self._bad_type(name, "numbers, or text for a sensor with codes")
        numbers = column.cast(pa.float64(), safe=False)
        infinite = pc.index(pc.is_inf(numbers), True).as_py()
        if infinite >= 0:
            raise self._bad(name, infinite, numbers[infinite].as_py(), NUMBER_ALLOWED)
        values: list[Any] = pc.if_else(pc.is_nan(numbers), None, numbers).to_pylist()
        return values

    def _refuse_null(self, name: str, cells: list[Any], allowed: str) -> None:
        if self._columns[name].null_count:
            raise self._bad(name, cells.index(None), None, allowed)

    def _refuse_negative_arrival(self, arrivals: list[Any]) -> None:
        for index, arrival in enumerate(arrivals):
            if arrival is not None and arrival < 0:
                raise self._bad(ARRIVAL, index, arrival, ARRIVAL_ALLOWED)

    def _bad(self, column: str, index: int, value: object, allowed: str) -> ConfigurationError:
        return bad_cell(self._place(index), column, value, allowed)

    def _place(self, index: int) -> str:
        return f"{self._name}, row {self._first_row + index}"

    def _bad_type(self, column: str, allowed: str) -> ConfigurationError:
        return ConfigurationError(f"{self._name}, column {column}: is of type {self._columns[column].type}; allowed is {allowed}")


def _decoded(column: Any) -> Any:
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _is_text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def write_parquet(file: BinaryIO, readings: Iterable[Reading], layout: Layout) -> None:
    """Times as int64 milliseconds, numbers as float64, codes as text."""
    kinds = {DEVICE: pa.string(), TIME: pa.int64(), ARRIVAL: pa.int64(), **{sensor: pa.string() for sensor in layout.text}}
    schema = pa.schema([(column, kinds.get(column, pa.float64())) for column in layout.names()])
    remaining = iter(readings)
    with pq.ParquetWriter(file, schema) as writer:
        while rows := list(islice(remaining, ROWS_WRITTEN)):
            cells: list[list[Any]] = [[row.device for row in rows], [row.time for row in rows]]
            if layout.arrival:
                cells.append([row.arrival for row in rows])
            cells += [[row.values.get(sensor) for row in rows] for sensor in layout.sensors]
            writer.write_batch(pa.record_batch(cells, schema=schema))

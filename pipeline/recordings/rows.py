"""Rows of a part on their way to its file, in columns, so that a million of them take some fifty bytes each. Knows no topic.

Readings have a column for each sensor, float32 as the windower takes them, codes as their texts: a replay of them is decoded
to the same steps. All other records have the columns of their type, nested where it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

# pyarrow has no type stubs.
import pyarrow as pa  # type: ignore[import-untyped]

from pipeline.recordings.columns import ARRIVAL, DEVICE, OFFSET, TIME

Item = TypeVar("Item", bound=msgspec.Struct)

_PLAIN: Mapping[Any, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary()}


class Rows(Protocol):
    """Rows of one part, in the order of the log."""

    @property
    def in_memory(self) -> int:
        """About what they take in memory."""
        ...

    def __len__(self) -> int: ...

    def table(self) -> Any:
        """The rows as an Arrow table."""
        ...


class ReadingRows:
    """Readings: device, time, arrival, the sensors, `_offset`."""

    def __init__(self, sensors: Sequence[str], codes: Mapping[str, Sequence[str]]) -> None:
        self._sensors = tuple(sensors)
        self._codes = codes
        self._devices: list[str] = []
        self._times, self._arrivals, self._offsets = array("q"), array("q"), array("q")
        self._values = bytearray()

    @property
    def in_memory(self) -> int:
        return 32 * len(self._devices) + len(self._values)

    def __len__(self) -> int:
        return len(self._devices)

    def add(self, device: str, row: tuple[int, bytes], arrival: int, offset: int) -> None:
        """`row`: event time, and sensors x 4 bytes of float32, NaN = unobserved."""
        self._devices.append(device)
        self._times.append(row[0])
        self._arrivals.append(arrival)
        self._offsets.append(offset)
        self._values += row[1]

    def table(self) -> Any:
        values = np.frombuffer(bytes(self._values), "<f4").reshape(-1, len(self._sensors))
        columns = {DEVICE: pa.array(self._devices, pa.string()), TIME: _int64(self._times), ARRIVAL: _int64(self._arrivals)}
        for index, sensor in enumerate(self._sensors):
            columns[sensor] = self._column(sensor, values[:, index])
        return pa.table({**columns, OFFSET: _int64(self._offsets)})

    def _column(self, sensor: str, values: Any) -> Any:
        if sensor in self._codes:
            texts = self._codes[sensor]
            return pa.array([None if np.isnan(value) else texts[int(value) - 1] for value in values], pa.string())
        return pa.array(np.ascontiguousarray(values), pa.float32(), from_pandas=True)  # NaN becomes null


class StructRows:
    """Records of one type: its fields, `_arrival` and `_offset`."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        fields = [pa.field(name, arrow_type(hint)) for name, hint in get_type_hints(kind).items()]
        self._schema = pa.schema([*fields, ("_arrival", pa.int64()), (OFFSET, pa.int64())])
        self._rows: list[dict[str, Any]] = []
        self.in_memory = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, item: msgspec.Struct, size: int, arrival: int, offset: int) -> None:
        """`size`: of the record on the wire, bytes."""
        row: dict[str, Any] = msgspec.to_builtins(item, builtin_types=(bytes,))
        self._rows.append({**row, "_arrival": arrival, OFFSET: offset})
        self.in_memory += 2 * size

    def table(self) -> Any:
        return pa.Table.from_pylist(self._rows, schema=self._schema)


def items_of(batches: Iterable[Any], kind: type[Item]) -> Iterator[Item]:
    """What `StructRows` wrote, from Arrow record batches."""
    unset = [field.encode_name for field in msgspec.structs.fields(kind) if field.default is msgspec.UNSET]
    for batch in batches:
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            for name in unset:
                if row[name] is None:
                    del row[name]
            yield msgspec.convert(row, kind, builtin_types=(bytes,))


def arrow_type(hint: Any) -> Any:
    """The Arrow type of a field: text, numbers, bytes, enums of text, tuples and mappings of them, structs of them."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return arrow_type(next(argument for argument in arguments if argument not in (NoneType, msgspec.UnsetType)))
    if origin is tuple:
        return pa.list_(arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(arrow_type(arguments[0]), arrow_type(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return pa.struct([pa.field(name, arrow_type(field)) for name, field in get_type_hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return pa.string()
    return _PLAIN[hint]


def _int64(numbers: array[int]) -> Any:
    return pa.array(np.frombuffer(numbers, np.int64), pa.int64())

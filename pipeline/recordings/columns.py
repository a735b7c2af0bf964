"""What the columnar formats (Parquet, CSV) have in common: the names of the columns that are no sensor, and the layout of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from pipeline.errors import ConfigurationError

DEVICE = "device"
TIME = "time"
ARRIVAL = "arrival"
OFFSET = "_offset"  # of the record in the log, in what `sensorline record` wrote
RESERVED = (DEVICE, TIME, ARRIVAL, OFFSET)


class Layout(msgspec.Struct, frozen=True):
    """The columns of a file to be written: device, time, `arrival` where there is one, then the sensors in order."""

    sensors: tuple[str, ...]
    text: frozenset[str]  # sensors whose values are text (codes); all others are numbers
    arrival: bool

    def names(self) -> list[str]:
        """All columns in order."""
        return [DEVICE, TIME, *([ARRIVAL] if self.arrival else []), *self.sensors]


def check_columns(name: str, columns: Sequence[str]) -> None:
    """Raises `ConfigurationError` where device or time is missing, or a column is there twice."""
    for required in (DEVICE, TIME):
        if required not in columns:
            raise ConfigurationError(
                f"{name}: no column {required}; columns are {', '.join(columns)}; allowed are device, time, optional arrival, and sensors"
            )
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise ConfigurationError(f"{name}: column {twice[0]} is there more than once; give each sensor one column")

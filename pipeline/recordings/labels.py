"""Labels: what is known about a device at an event time. A file like a recording, with outputs in the place of sensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording, write_recording
from pipeline.records import Reading


class Label(msgspec.Struct, frozen=True, gc=False):
    """The outputs a model should give for `device` when it has seen all up to event time `time` (ms)."""

    device: str
    time: int
    outputs: dict[str, float]


def read_labels(path: str | Path) -> Iterator[Label]:
    """Labels in file order, in constant memory; a null output is left out. Raises `ConfigurationError`, as `read_recording` does."""
    for number, row in enumerate(read_recording(path), start=1):
        outputs: dict[str, float] = {}
        for name, value in row.values.items():
            if isinstance(value, str):
                raise ConfigurationError(f"{path}, label {number}, column {name}: {value!r} is not allowed; allowed are numbers")
            if value is not None:
                outputs[name] = value
        yield Label(row.device, row.time, outputs)


def write_labels(path: Path, labels: Iterable[Label], outputs: Sequence[str]) -> int:
    """Writes all labels, whole or not at all; returns how many. `outputs` are the columns in order."""
    return write_recording(path, (Reading(label.device, label.time, {**label.outputs}) for label in labels), outputs)

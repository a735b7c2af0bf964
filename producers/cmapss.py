"""NASA's C-MAPSS turbofan files to a recording and labels. Source of the format: the readme beside the files
(A. Saxena, K. Goebel, D. Simon, N. Eklund: Damage propagation modeling for aircraft engine run-to-failure simulation, PHM 2008).

A line is one engine and cycle: unit, cycle, 3 settings, 21 sensors. A cycle becomes one hour of event time, and all
engines begin at one epoch: the files know no time, and a fleet at work at the same time is what a live system sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError
from pipeline.recordings.files import write_recording
from pipeline.recordings.labels import Label, write_labels
from pipeline.records import Reading
from producers.textfiles import make_folder, numbered_lines

SETTINGS = tuple(f"setting_{number}" for number in range(1, 4))
SENSORS = (*SETTINGS, *(f"sensor_{number}" for number in range(1, 22)))
OUTPUTS = ("rul",)
SUBSETS = ("FD001", "FD002", "FD003", "FD004")

EPOCH_MS = 946_684_800_000  # 2000-01-01T00:00:00Z, when cycle 1 ends
CYCLE_MS = 3_600_000


class Split(StrEnum):
    """Training engines run to failure; test engines stop before it, and a file says how long before."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote."""

    recording: Path
    labels: Path
    readings: int
    engines: int


class _Row(msgspec.Struct, frozen=True, gc=False):
    unit: int
    cycle: int
    values: tuple[float, ...]


def convert_cmapss(folder: Path, subset: str, split: Split, out: Path) -> Converted:
    """Writes `recording.parquet` (by time, then device) and `labels.parquet` (device, time, rul in cycles) to the folder `out`.

    rul is not capped. Raises `ConfigurationError` for a missing file or a line of another form.
    """
    if subset not in SUBSETS:
        raise ConfigurationError(f"subset {subset}: allowed are {', '.join(SUBSETS)}")
    rows = sorted(_rows(folder, f"{split}_{subset}.txt"), key=lambda row: (row.cycle, row.unit))
    last_cycle = {row.unit: row.cycle for row in rows}
    after_last = _after_last(folder, subset, split, sorted(last_cycle))
    make_folder(out)

    def readings() -> Iterator[Reading]:
        for row in rows:
            yield Reading(_device(subset, split, row.unit), _time(row.cycle), dict(zip(SENSORS, row.values, strict=True)))

    def labels() -> Iterator[Label]:
        for row in rows:
            rul = after_last[row.unit] + last_cycle[row.unit] - row.cycle
            yield Label(_device(subset, split, row.unit), _time(row.cycle), {"rul": rul})

    recording, labels_path = out / "recording.parquet", out / "labels.parquet"
    write_labels(labels_path, labels(), OUTPUTS)
    return Converted(recording, labels_path, write_recording(recording, readings(), SENSORS), len(last_cycle))


def _device(subset: str, split: Split, unit: int) -> str:
    return f"{subset}-{split}-{unit:03d}"


def _time(cycle: int) -> int:
    return EPOCH_MS + (cycle - 1) * CYCLE_MS


def _after_last(folder: Path, subset: str, split: Split, units: list[int]) -> dict[int, float]:
    """Cycles that each unit lives on after its last line."""
    if split is Split.TRAIN:
        return dict.fromkeys(units, 0.0)
    name = f"RUL_{subset}.txt"
    remaining = [numbers[0] for numbers in _lines(folder, name, 1)]
    if len(remaining) != len(units):
        raise ConfigurationError(f"{folder / name}: {len(remaining)} lines for {len(units)} engines; allowed is one line for each")
    return dict(zip(units, remaining, strict=True))


def _rows(folder: Path, name: str) -> Iterator[_Row]:
    seen: Counter[int] = Counter()
    for number, (unit, cycle, *values) in enumerate(_lines(folder, name, 2 + len(SENSORS)), start=1):
        seen[int(unit)] += 1
        if cycle != seen[int(unit)]:
            raise ConfigurationError(f"{folder / name}, line {number}: cycle {cycle:g} of unit {unit:g}; allowed is {seen[int(unit)]}")
        yield _Row(int(unit), int(cycle), tuple(values))


def _lines(folder: Path, name: str, width: int) -> Iterator[list[float]]:
    """The numbers of each line of a file, gzipped or not."""
    path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise ConfigurationError(f"{folder / name}: no such file, nor with .gz; give the folder of the C-MAPSS text files")
    for number, line in numbered_lines(path):
        yield _numbers(line, width, f"{path}, line {number}")


def _numbers(line: str, width: int, place: str) -> list[float]:
    cells = line.split()
    if len(cells) != width:
        raise ConfigurationError(f"{place}: {len(cells)} numbers; allowed are {width}, with spaces between")
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}; allowed are {width} numbers, with spaces between") from error

"""The room climate data sets to a recording and labels. Source of the format: the readme beside the files (P. Morgner,
C. Müller, M. Ring, B. Eskofier, C. Riess, F. Armknecht, Z. Benenson: Privacy Implications of Room Climate Data, ESORICS 2017).

A file is one run at one location: entry, absolute time (ms), relative time (s), node, temperature, humidity, two light
sensors, and what is true: occupants, activity, door, window. A node of a location is a device. The entries are in the order
in which they were received, so an entry's arrival is the latest time of its run until then.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.core.replay_order import recorded_arrival
from pipeline.errors import ConfigurationError
from pipeline.recordings.files import write_recording
from pipeline.recordings.labels import Label, write_labels
from pipeline.records import Reading
from producers.textfiles import make_folder, numbered_lines

SENSORS = ("temperature", "humidity", "light_1", "light_2")
OUTPUTS = ("occupants", "activity", "door", "window")
CELLS = 4 + len(SENSORS) + len(OUTPUTS)

_NAME = re.compile(r"room_climate-location_(\w+)-measurement(\d+)\.csv(\.gz)?", re.ASCII)


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote."""

    recording: Path
    labels: Path
    readings: int
    runs: int
    devices: int


class _Entry(msgspec.Struct, frozen=True, gc=False):
    reading: Reading
    truth: tuple[float, ...]


def convert_room_climate(folder: Path, out: Path) -> Converted:
    """Writes `recording.parquet`, by arrival, and `labels.parquet` (device, time, occupants, activity, door, window) to `out`.

    Runs that went on at the same time at two locations are merged. Raises `ConfigurationError` for a folder without runs or
    a line of another form.
    """
    runs = sorted(path for path in folder.rglob("room_climate-*") if _NAME.fullmatch(path.name))
    if not runs:
        raise ConfigurationError(f"{folder}: holds no room_climate-location_X-measurementYY.csv or .csv.gz; give the data set's folder")
    make_folder(out)
    recording, labels = out / "recording.parquet", out / "labels.parquet"
    entries = [list(_entries(path)) for path in runs]
    devices = {entry.reading.device for run in entries for entry in run}

    def merged() -> Iterator[_Entry]:
        return heapq.merge(*entries, key=lambda entry: recorded_arrival(entry.reading))

    write_labels(labels, (_label(entry) for entry in merged()), OUTPUTS)
    count = write_recording(recording, (entry.reading for entry in merged()), SENSORS)
    return Converted(recording, labels, count, len(runs), len(devices))


def _label(entry: _Entry) -> Label:
    return Label(entry.reading.device, entry.reading.time, dict(zip(OUTPUTS, entry.truth, strict=True)))


def _entries(path: Path) -> Iterator[_Entry]:
    named = _NAME.fullmatch(path.name)
    location = named[1] if named else ""
    arrival = 0
    for number, line in numbered_lines(path):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != CELLS:
            raise ConfigurationError(f"{path}, line {number}: {len(cells)} cells; allowed are {CELLS}, with commas between")
        try:
            time, values, truth = int(cells[1]), [float(cell) for cell in cells[4:8]], tuple(float(cell) for cell in cells[8:])
        except ValueError as error:
            raise ConfigurationError(f"{path}, line {number}: {error}; allowed are numbers") from error
        arrival = max(arrival, time)
        yield _Entry(Reading(f"{location}-{cells[3]}", time, dict(zip(SENSORS, values, strict=True)), arrival), truth)

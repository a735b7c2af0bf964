"""The wireless sensor networks of the Université Libre de Bruxelles to a recording. Source of the format: the readme beside
the files (Machine Learning Group, ULB: sensor network data sets, libraries 1 and 2, 2006).

A line is a packet: time at which it arrived at the base station (ms), node, sequence number, and six values with decimal
commas. The nodes have no clock, so event time is that arrival; packets that were lost show in the sequence number, which
is kept as a sensor. Above 999 some files write the number in two parts: `1 000`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.replay_order import recorded_arrival
from pipeline.errors import ConfigurationError
from pipeline.recordings.files import write_recording
from pipeline.records import Reading
from producers.textfiles import make_folder, numbered_lines

VALUES = ("internal_temperature", "voltage", "humidity", "temperature", "par", "tsr")
SENSORS = (*VALUES, "sequence")
LIBRARIES = {
    "library1": ("Library1-Dataset/R1.txt", "Library1-Dataset/R2.txt", "Library1-Dataset/R3.txt"),
    "library2": ("Library2-Dataset/readings.txt",),
}
LEAST_CELLS = 3 + len(VALUES)


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote."""

    recording: Path
    readings: int
    devices: int


def convert_ulb(folder: Path, library: str, out: Path) -> Converted:
    """Writes `recording.parquet`, by arrival, to the folder `out`.

    Raises `ConfigurationError` for a missing file or a line of another form.
    """
    if library not in LIBRARIES:
        raise ConfigurationError(f"library {library}: allowed are {', '.join(LIBRARIES)}")
    paths = [folder / name for name in LIBRARIES[library]]
    readings = sorted((reading for path in paths for reading in _readings(path, library)), key=recorded_arrival)
    make_folder(out)
    count = write_recording(out / "recording.parquet", readings, SENSORS)
    return Converted(out / "recording.parquet", count, len({reading.device for reading in readings}))


def _readings(path: Path, library: str) -> Iterator[Reading]:
    # The space within a number is a non-breaking one, in Latin-1; to split() it is a space like others.
    for number, line in numbered_lines(path, "latin-1"):
        cells = line.split()
        if len(cells) < LEAST_CELLS:
            raise ConfigurationError(f"{path}, line {number}: {len(cells)} cells; allowed are {LEAST_CELLS}, with spaces between")
        try:
            time, sequence = int(cells[0]), float("".join(cells[2 : -len(VALUES)]))
            values = [float(cell.replace(",", ".")) for cell in cells[-len(VALUES) :]]
        except ValueError as error:
            raise ConfigurationError(f"{path}, line {number}: {error}; allowed are numbers, with decimal commas") from error
        yield Reading(f"{library}-{cells[1]}", time, {**dict(zip(VALUES, values, strict=True)), "sequence": sequence}, time)

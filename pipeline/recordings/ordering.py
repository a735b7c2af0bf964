"""A recording in replay order, however it lies in its file, in bounded memory.

Without recorded arrivals file order is replay order. With them the file is first read through: it is checked to its end
before anything of it is used, counted, and found sorted (then it streams) or not. What is not sorted, and standard input
with arrivals, which cannot be read twice, is sorted in runs of `RUN_LENGTH` readings that are merged. One run stays in
memory; more are spooled to the system's folder for temporary files, which then needs room for the recording as JSON Lines.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pipeline.core.replay_order import arrivals, recorded_arrival
from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.files import EXTENSIONS, STANDARD_INPUT, read_recording
from pipeline.recordings.recorded import one_segment, recorded_topics, the_topic
from pipeline.records import Reading

RUN_LENGTH = 100_000  # readings; about 50 MB with three sensors, 150 MB with twenty-four
MAX_RUNS = 256  # files open at a time


@dataclass(frozen=True)
class OrderedRecording:
    """A recording to be replayed once. `total` is None where it can be known only at the end (standard input)."""

    total: int | None
    readings: Iterator[Reading]


def in_replay_order(source: str | Path, text: Collection[str] = (), segment: int | None = None) -> OrderedRecording:
    """The recording, sorted stably by arrival: a file, standard input, what `sensorline record` wrote to a folder, or all
    recordings in a folder, one after another by name.

    `segment` is for a topic that was replayed into while it was recorded. Raises `ConfigurationError`, as `read_recording`
    does, at the call. From standard input errors come on the way.
    """
    if str(source) == STANDARD_INPUT:
        return OrderedRecording(None, _sorted_stream(read_recording(source)))
    if Path(source).is_dir() and recorded_topics(Path(source)):
        topic = the_topic(Path(source), "readings")
        chosen = one_segment(topic, segment)
        return OrderedRecording(topic.rows(chosen), topic.readings(chosen))
    if segment is not None:
        raise ConfigurationError(f"--segment {segment}: {source} is not a folder that `sensorline record` wrote")
    files = _files_in(Path(source)) if Path(source).is_dir() else [Path(source)]
    total, is_sorted = _survey(_all_of(files, text))
    readings = _all_of(files, text)
    return OrderedRecording(total, readings if is_sorted else sorted_by_arrival(readings))


def _files_in(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise ConfigurationError(f"{folder}: holds no recording ({', '.join(EXTENSIONS)})")
    return files


def _all_of(files: Iterable[Path], text: Collection[str]) -> Iterator[Reading]:
    return chain.from_iterable([read_recording(file, text) for file in files])


def _survey(readings: Iterable[Reading]) -> tuple[int, bool]:
    """(number of readings, whether they are in replay order)."""
    total, latest, is_sorted = 0, 0, True
    for arrival, _ in arrivals(readings):
        total += 1
        is_sorted = is_sorted and arrival >= latest
        latest = arrival
    return total, is_sorted


def _sorted_stream(readings: Iterator[Reading]) -> Iterator[Reading]:
    head = next(readings, None)
    if head is None:
        return
    whole = chain([head], readings)
    yield from whole if head.arrival is None else sorted_by_arrival(whole)


def sorted_by_arrival(readings: Iterable[Reading], run_length: int = RUN_LENGTH, max_runs: int = MAX_RUNS) -> Iterator[Reading]:
    """Sorts stably by recorded arrival, with about `run_length` readings in memory.

    Raises `ConfigurationError` for a reading without arrival, `SensorlineError` where temporary files cannot be written.
    """
    remaining = iter(readings)
    first = sorted(islice(remaining, run_length), key=recorded_arrival)
    head = next(remaining, None)
    if head is None:
        yield from first
        return
    remaining = chain([head], remaining)
    with TemporaryDirectory(prefix="sensorline-sort-") as folder:
        paths = (Path(folder, str(number)) for number in count())
        runs = [_Run(next(paths), first)]
        first = []
        while chunk := sorted(islice(remaining, run_length), key=recorded_arrival):
            if len(runs) == max_runs:
                merged = _Run(next(paths), _merged(runs))
                for run in runs:
                    run.path.unlink()
                runs = [merged]
            runs.append(_Run(next(paths), chunk))
        yield from _merged(runs)


def _merged(runs: Iterable[Iterable[Reading]]) -> Iterator[Reading]:
    # Stable: of equal arrivals heapq.merge takes the earlier run's first.
    return heapq.merge(*runs, key=recorded_arrival)


class _Run:
    """Sorted readings in a temporary file."""

    def __init__(self, path: Path, readings: Iterable[Reading]) -> None:
        self.path = path
        encoder = msgspec.json.Encoder()
        try:
            with path.open("wb") as file:
                file.writelines(encoder.encode(reading) + b"\n" for reading in readings)
        except OSError as error:
            raise SensorlineError(
                f"{path}: cannot be written while sorting: {error.strerror or error}; set TMPDIR to a folder with room"
            ) from error

    def __iter__(self) -> Iterator[Reading]:
        decoder = msgspec.json.Decoder(Reading)
        with self.path.open("rb") as file:
            yield from map(decoder.decode, file)

"""The part files of a recorded topic: their names, and which of them together hold each record of the log once.

    OUT/<topic>/day=YYYY-MM-DD/part-<partition>-<segment>-<first offset>-<end offset>.parquet

A part holds what its partition had from the first offset up to, not including, the end offset; parts follow one another, so
what is missing shows. A segment is what lies between two resets of the topic: in it arrivals never go back. The day is that
of the arrivals, UTC. Knows no file's content.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

DAY_MS = 86_400_000
LAST_DAY = 2_932_896  # 9999-12-31: a header may carry a later arrival, a folder cannot

_NAME = re.compile(r"part-(\d+)-(\d+)-(\d+)-(\d+)\.parquet", re.ASCII)


class Place(msgspec.Struct, frozen=True):
    """What a part covers: offsets `first` <= offset < `end` of a partition."""

    partition: int
    segment: int  # resets before it, from 0
    first: int
    end: int


class Part(msgspec.Struct, frozen=True):
    """A part and its file."""

    place: Place
    path: Path


class Piece(msgspec.Struct, frozen=True):
    """What is to be read of a part, so that each record is read once: its records from `begin` on."""

    part: Part
    begin: int


class Missing(msgspec.Struct, frozen=True):
    """Offsets `first` <= offset < `end` that no part has."""

    partition: int
    first: int
    end: int


def topic_folder(out: Path, topic: str) -> Path:
    """Where the parts of a topic are."""
    name = quote(topic, safe="")
    return out / (f"%2E{name[1:]}" if name.startswith(".") else name)


def topic_of(folder: Path) -> str:
    """The topic whose parts are in `topic_folder(out, topic)`."""
    return unquote(folder.name)


def day_of(arrival_ms: int) -> int:
    """Number of the day since the epoch.

    >>> day_of(86_400_000)
    1
    """
    return arrival_ms // DAY_MS


def part_path(folder: Path, day: int, place: Place) -> Path:
    """The file of a part in a topic's folder.

    >>> part_path(Path("r"), 0, Place(2, 0, 10, 20)).as_posix()
    'r/day=1970-01-01/part-00002-0000-000000000010-000000000020.parquet'
    """
    name = f"part-{place.partition:05d}-{place.segment:04d}-{place.first:012d}-{place.end:012d}.parquet"
    return folder / f"day={datetime.fromtimestamp(min(day, LAST_DAY) * DAY_MS / 1000, UTC):%Y-%m-%d}" / name


def parts_in(folder: Path) -> list[Part]:
    """The complete parts in a topic's folder, by partition and offset; other files are passed over."""
    found = [(match, path) for path in folder.glob("day=*/part-*.parquet") if (match := _NAME.fullmatch(path.name))]
    parts = [Part(Place(*map(int, match.groups())), path) for match, path in found]
    return sorted(parts, key=lambda part: (part.place.partition, part.place.first, -part.place.end))


def remove_leftovers(folder: Path, partition: int) -> None:
    """Removes what a killed process left of files it had not completed."""
    for path in folder.glob(f"day=*/.part-{partition:05d}-*.tmp"):
        path.unlink(missing_ok=True)


def covering(parts: Iterable[Part]) -> tuple[list[Piece], list[Missing]]:
    """What to read of the parts of one partition, in order, and what they lack. `parts` are as `parts_in` gives them.

    Parts overlap where a process that had lost its partition completed one all the same: two parts have the same content
    for the same offset, as it is that of the log.
    """
    pieces: list[Piece] = []
    missing: list[Missing] = []
    reached: int | None = None
    for part in parts:
        place = part.place
        if reached is not None and place.end <= reached:
            continue
        if reached is not None and place.first > reached:
            missing.append(Missing(place.partition, reached, place.first))
        pieces.append(Piece(part, place.first if reached is None else max(reached, place.first)))
        reached = place.end
    return pieces, missing

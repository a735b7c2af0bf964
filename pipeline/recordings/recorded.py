"""What `sensorline record` wrote, read again: topics, their segments, and the readings of one segment in replay order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline.core.replay_order import recorded_arrival
from pipeline.errors import ConfigurationError
from pipeline.recordings.parquet import read_parquet
from pipeline.recordings.partfile import batches_of, read_about
from pipeline.recordings.parts import Missing, Part, Piece, covering, parts_in, topic_of
from pipeline.recordings.rows import items_of
from pipeline.records import Reading

Item = TypeVar("Item", bound=msgspec.Struct)


@dataclass(frozen=True)
class RecordedTopic:
    """A recorded topic. `pieces` hold each of its records once, by partition and offset."""

    folder: Path
    topic: str
    kind: str
    pieces: tuple[Piece, ...]
    missing: tuple[Missing, ...]

    @property
    def segments(self) -> list[int]:
        """The segments that have a part: one for each time the topic was replayed into, and what was before."""
        return sorted({piece.part.place.segment for piece in self.pieces})

    def pieces_of(self, segment: int) -> list[Piece]:
        """The pieces of one segment."""
        return [piece for piece in self.pieces if piece.part.place.segment == segment]

    def rows(self, segment: int) -> int:
        """Number of rows of a segment."""
        return sum(batch.num_rows for piece in self.pieces_of(segment) for batch in batches_of(piece, []))

    def readings(self, segment: int) -> Iterator[Reading]:
        """The readings of a segment by arrival; those of one partition in the order of the log."""
        by_partition: dict[int, list[Piece]] = {}
        for piece in self.pieces_of(segment):
            by_partition.setdefault(piece.part.place.partition, []).append(piece)
        return heapq.merge(*map(_readings, by_partition.values()), key=recorded_arrival)

    def items(self, kind: type[Item]) -> Iterator[Item]:
        """The windows, predictions, alerts or rejected records, by partition and offset."""
        for piece in self.pieces:
            yield from items_of(batches_of(piece), kind)


def recorded_topics(folder: Path) -> list[RecordedTopic]:
    """The recorded topics in a folder, or the one whose own folder it is; none where it has no parts."""
    own = parts_in(folder)
    if own:
        return [_topic(folder, own)]
    places = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [_topic(place, parts) for place in places if (parts := parts_in(place))]


def the_topic(folder: Path, kind: str) -> RecordedTopic:
    """The one recorded topic of this kind. Raises `ConfigurationError` where there are none or several."""
    found = [topic for topic in recorded_topics(folder) if topic.kind == kind]
    if not found:
        raise ConfigurationError(f"{folder}: holds no recorded {kind}; `sensorline recordings {folder}` lists what it holds")
    if len(found) > 1:
        raise ConfigurationError(f"{folder}: holds several topics of {kind}; give one: {', '.join(str(one.folder) for one in found)}")
    return found[0]


def one_segment(topic: RecordedTopic, wanted: int | None = None) -> int:
    """The wanted segment, or the only one with rows. Raises `ConfigurationError` where it must be chosen, or is not there."""
    filled = [segment for segment in topic.segments if topic.rows(segment)]
    if wanted is None and len(filled) > 1:
        shown = ", ".join(map(str, filled))
        raise ConfigurationError(
            f"{topic.folder}: was replayed into while it was recorded, so it has segments {shown}, each with its own time: choose --segment"
        )
    if wanted is not None and wanted not in topic.segments:
        raise ConfigurationError(f"--segment {wanted}: {topic.folder} has {', '.join(map(str, topic.segments))}")
    return wanted if wanted is not None else filled[0] if filled else topic.segments[0]


def _topic(folder: Path, parts: list[Part]) -> RecordedTopic:
    pieces: list[Piece] = []
    missing: list[Missing] = []
    for partition in sorted({part.place.partition for part in parts}):
        covered, lacking = covering(part for part in parts if part.place.partition == partition)
        pieces += covered
        missing += lacking
    about = read_about(parts[0].path)
    if about is None:
        raise ConfigurationError(f"{parts[0].path}: was not written by `sensorline record`")
    return RecordedTopic(folder, topic_of(folder), about.kind, tuple(pieces), tuple(missing))


def _readings(pieces: list[Piece]) -> Iterator[Reading]:
    for piece in pieces:
        whole = piece.begin == piece.part.place.first
        yield from read_parquet(piece.part.path, None if whole else piece.begin)

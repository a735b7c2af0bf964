"""What is in recorded topics, segment by segment: how much, of which devices, from when to when, and what is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from pipeline.recordings.columns import ARRIVAL, DEVICE, TIME
from pipeline.recordings.partfile import batches_of, read_about
from pipeline.recordings.parts import Missing
from pipeline.recordings.recorded import RecordedTopic, recorded_topics


class Segment(msgspec.Struct, frozen=True):
    """A segment of a recorded topic. Times are ms since the epoch, None where there are no rows or the kind has none."""

    topic: str
    kind: str
    segment: int
    files: int
    file_bytes: int
    rows: int
    devices: tuple[str, ...]
    first_arrival: int | None
    last_arrival: int | None
    first_time: int | None
    last_time: int | None
    longest_silence_ms: int
    silence_from: int | None  # arrival of the last record before it
    refused: dict[str, int]  # records that could not be decoded, by reason
    missing: tuple[Missing, ...]  # of the whole topic


def survey(folder: Path) -> list[Segment]:
    """Everything that was recorded to the folder."""
    return [_segment(topic, segment) for topic in recorded_topics(folder) for segment in topic.segments]


def _segment(topic: RecordedTopic, segment: int) -> Segment:
    pieces = topic.pieces_of(segment)
    is_readings = topic.kind == "readings"
    arrival_column = ARRIVAL if is_readings else "_arrival"
    columns = [arrival_column, *([TIME] if is_readings else []), *([DEVICE] if topic.kind != "rejected" else [])]
    arrivals: list[np.ndarray] = [np.empty(0, np.int64)]
    times: list[np.ndarray] = [np.empty(0, np.int64)]
    devices: set[str] = set()
    for piece in pieces:
        for batch in batches_of(piece, columns):
            arrivals.append(batch.column(arrival_column).to_numpy())
            if is_readings:
                times.append(batch.column(TIME).to_numpy())
            if DEVICE in columns:
                devices.update(batch.column(DEVICE).unique().to_pylist())
    arrived, measured = np.sort(np.concatenate(arrivals)), np.concatenate(times)
    silences = np.diff(arrived)
    longest = int(silences.argmax()) if len(silences) else None
    refused: dict[str, int] = {}
    for piece in pieces:
        about = read_about(piece.part.path)
        for reason, count in (about.refused if about is not None else {}).items():
            refused[reason] = refused.get(reason, 0) + count
    return Segment(
        topic=topic.topic,
        kind=topic.kind,
        segment=segment,
        files=len(pieces),
        file_bytes=sum(piece.part.path.stat().st_size for piece in pieces),
        rows=len(arrived),
        devices=tuple(sorted(devices)),
        first_arrival=int(arrived[0]) if len(arrived) else None,
        last_arrival=int(arrived[-1]) if len(arrived) else None,
        first_time=int(measured.min()) if len(measured) else None,
        last_time=int(measured.max()) if len(measured) else None,
        longest_silence_ms=0 if longest is None else int(silences[longest]),
        silence_from=None if longest is None else int(arrived[longest]),
        refused=refused,
        missing=topic.missing,
    )

"""Records of every type come back from their files as they were."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipeline.recordings.partfile import About, batches_of, write_part
from pipeline.recordings.parts import Part, Piece, Place, covering, part_path, parts_in, topic_folder, topic_of
from pipeline.recordings.rows import StructRows, items_of
from pipeline.records import Alert, AlertState, CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, Window, WindowSummary
from pipeline.wire.rejected import RawRecord
from tests.support.windows import make_window

SUMMARY = WindowSummary("w", 1, 2, 3, CloseReason.GAP, True, 1, 0, 0)
SOURCE = Source("sensor.readings", 0, 1, 2, 3, 4)
PREDICTION = Prediction(
    "p", "pump-7", SUMMARY, {"rul": 83.2, "risk": float("inf")}, ModelIdentity("m", "1", "ab", "onnx"), SOURCE, 48, PredictionTimes(5, 6)
)
ITEMS: list[msgspec.Struct] = [
    make_window([[1.5, float("nan")], [2.5, 3.0]], ("a", "b")),
    PREDICTION,
    msgspec.structs.replace(PREDICTION, steps={"rul": (1.0, 2.0)}),
    Alert("a", "pump-7", "worn", AlertState.RAISED, 1, 2, 0.9, ("p", "q")),
    RawRecord(None, b"\xff\x00", {"reason": b"json"}),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_a_record_comes_back_as_it_was(item: Window | Prediction | Alert | RawRecord, tmp_path: Path) -> None:
    rows = StructRows(type(item))
    for offset in (7, 8):
        rows.add(item, 100, 1_767_225_600_000, offset)
    place = Place(3, 0, 7, 9)
    path = write_part(tmp_path, 20_454, place, rows, About("topic", "kind"))
    assert path == part_path(tmp_path, 20_454, place)
    (part,) = parts_in(tmp_path)
    assert list(items_of(batches_of(Piece(part, 7)), type(item))) == [item, item]
    assert len(list(items_of(batches_of(Piece(part, 8)), type(item)))) == 1


def part(first: int, end: int) -> Part:
    return Part(Place(0, 0, first, end), Path(f"{first}-{end}"))


@pytest.mark.parametrize(
    ("spans", "read", "missing"),
    [
        ([(0, 5), (5, 9)], [(0, 5, 0), (5, 9, 5)], []),
        ([(0, 5), (0, 3), (5, 9)], [(0, 5, 0), (5, 9, 5)], []),
        ([(0, 5), (3, 9)], [(0, 5, 0), (3, 9, 5)], []),
        ([(0, 9), (3, 5), (4, 12)], [(0, 9, 0), (4, 12, 9)], []),
        ([(2, 5), (7, 9)], [(2, 5, 2), (7, 9, 7)], [(5, 7)]),
        ([], [], []),
    ],
    ids=str,
)
def test_overlapping_parts_are_read_once_and_holes_are_seen(
    spans: list[tuple[int, int]], read: list[tuple[int, int, int]], missing: list[tuple[int, int]]
) -> None:
    pieces, holes = covering([part(*span) for span in spans])
    assert [(it.part.place.first, it.part.place.end, it.begin) for it in pieces] == read
    assert [(it.first, it.end) for it in holes] == missing


@pytest.mark.parametrize("topic", ["sensor.readings", "a/b", "..", "Müller 7"])
def test_any_topic_has_a_folder_of_its_own(topic: str, tmp_path: Path) -> None:
    folder = topic_folder(tmp_path, topic)
    assert folder.resolve().parent == tmp_path.resolve()
    assert topic_of(folder) == topic

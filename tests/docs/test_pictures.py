"""The pictures of the documentation show what the window stage publishes, and are as new as the code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from docs.make_pictures import CLOCKS, LANES, LOG, TICK, digest, make, windows_figure
from pipeline.brokers.protocol import Message
from pipeline.config.durations import parse_duration
from pipeline.records import Window
from pipeline.wire.windows import decode_window, window_times
from tests.support.transcripts import parse_records, window_messages, window_stage

COMMITTED = Path(__file__).parents[2] / "docs" / "pictures" / "windows.png"
TEXT = " ".join([*(f"{time}@{arrival}" for time, arrival in LOG), f"tick@{TICK}"])


@pytest.fixture(scope="module")
def figure() -> Figure:
    return windows_figure()


def messages(keys: Mapping[str, Any]) -> list[tuple[float, Message]]:
    """What the window stage makes of the log, with the arrival (s) of the record that made it come out."""
    stage = window_stage({**CLOCKS, **keys}, ["a"])
    return [(record.timestamp / 1000, message) for record in parse_records(TEXT, ["a"]) for message in window_messages(stage, [record])]


def published(keys: Mapping[str, Any]) -> list[tuple[float, Window]]:
    return [(arrival, decode_window(message.value or b"")) for arrival, message in messages(keys) if message.topic == "windows"]


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def labels(axes: Axes) -> list[str]:
    return [text.get_text().replace("\n", ", ") for text in axes.texts if text.get_gid()]


def label(arrival: float, window: Window) -> str:
    return f"{window.reason}, {arrival:g} s" + (f", revision {window.revision}" if window.revision else "")


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(x, y) for x, y in np.asarray(line.get_xydata(), dtype=float).tolist()]


@pytest.mark.parametrize("lane", range(len(LANES)), ids=[text for text, _ in LANES])
def test_a_lane_shows_the_windows_that_the_stage_publishes(figure: Figure, lane: int) -> None:
    axes, windows = figure.axes[1 + lane], published(LANES[lane][1])
    assert windows
    drawn = [edge * 1000 for bar in bars(axes) for edge in (bar.get_x(), bar.get_x() + bar.get_width())]
    assert drawn == pytest.approx([bound for _, window in windows for bound in (window.start, window.end)])
    assert labels(axes) == [label(arrival, window) for arrival, window in windows]
    steps = [x for line in axes.lines for x, _ in points(line)]
    assert steps == [time / 1000 for _, window in windows for time in window_times(window)]


def test_no_bar_covers_another(figure: Figure) -> None:
    for axes in figure.axes[1:]:
        drawn = [bar.get_bbox() for bar in bars(axes)]
        for place, box in enumerate(drawn):
            for other in drawn[:place]:
                assert min(box.x1, other.x1) <= max(box.x0, other.x0) or min(box.y1, other.y1) <= max(box.y0, other.y0)


def test_the_readings_and_the_watermark_are_those_of_the_log(figure: Figure) -> None:
    lines = {str(line.get_gid()): points(line) for line in figure.axes[0].lines}
    assert sorted([*lines["readings"], *lines["late"]]) == sorted(LOG)
    refused = [message for _, message in messages(LANES[0][1]) if message.topic == "rejected"]
    assert len(lines["late"]) == len(refused) > 0
    out_of_orderness = parse_duration(CLOCKS["out_of_orderness"]) / 1000
    highest = [max(time for time, before in lines["readings"] if before <= arrival) for _, arrival in LOG]
    assert lines["watermark"] == [(time - out_of_orderness, arrival) for time, (_, arrival) in zip(highest, LOG, strict=True)]


def test_the_picture_is_made_in_any_folder_and_is_small(tmp_path: Path) -> None:
    path = make(tmp_path)
    assert path.stat().st_size <= 200_000
    with Image.open(path) as image:
        assert image.info["Description"] == digest()


def test_the_committed_picture_shows_the_windows_of_today() -> None:
    """Where this fails, `python docs/make_pictures.py` makes it anew."""
    assert COMMITTED.stat().st_size <= 200_000
    with Image.open(COMMITTED) as image:
        assert image.info["Description"] == digest()

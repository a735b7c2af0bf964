"""Makes the pictures of the documentation from the code: `python docs/make_pictures.py`.

One log is played through the real windower under several configurations; what is drawn is what it said and published.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from docs.lengths_picture import make_lengths
from pipeline.config.window import WindowSettings
from pipeline.core.episode import Episode
from pipeline.core.step import RowFormat
from pipeline.core.windower import PartitionWindower

# (event time, arrival) in seconds of one device; after them only other devices are heard, until TICK.
LOG = (
    *((2, 2.6), (5, 5.5), (9, 9.7), (7, 10.8), (13, 13.6), (16, 16.5), (18, 18.7)),
    *((33, 33.5), (36, 37.0), (34, 38.2), (40, 40.6), (21, 42.4), (44, 44.8), (48, 48.6)),
)
TICK = 68.6
DEVICE = "pump-7"
CLOCKS = {"out_of_orderness": "5s", "idle_timeout": "20s"}
LANES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("a silence ends a window", {"kind": "session", "gap": "10s"}),
    ("... at most four steps", {"kind": "session", "gap": "10s", "max_length": 4}),
    ("... late steps revise it", {"kind": "session", "gap": "10s", "allowed_lateness": "30s"}),
    ("fixed pieces of time", {"kind": "tumbling", "size": "20s"}),
    ("... that overlap", {"kind": "hopping", "size": "20s", "step": "10s"}),
    ("every 2 steps the last 4", {"kind": "count", "size": 4, "step": 2}),
)

# Colours by Okabe and Ito, told apart by the colour-blind too.
INK, SOFT, FAINT, READING, LATE, WATERMARK = "#222222", "#6b6b6b", "#dddddd", "#0072B2", "#D55E00", "#009E73"
FILL, REVISED = "#d6e6f2", "#f9dfcc"
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "xtick.color": SOFT}
SPAN = (-11.0, 62.0)  # of event time, s
NARROW = 9  # s; a window shorter than this gets its label in two lines


@dataclass(frozen=True)
class Bar:
    """A published window. Times in seconds; `row` is its place within the lane."""

    start: float
    end: float
    steps: tuple[float, ...]
    reason: str
    revision: int
    arrival: float  # of the record that made it come out
    row: int


@dataclass(frozen=True)
class Played:
    """What one configuration made of the log. Seconds."""

    watermark: tuple[tuple[float, float], ...]  # (arrival, watermark) after each reading
    late: tuple[float, ...]  # event times that were earlier than the watermark
    bars: tuple[Bar, ...]

    @property
    def rows(self) -> int:
        """Rows that its bars take without covering each other."""
        return 1 + max(bar.row for bar in self.bars)


def play(keys: Mapping[str, Any]) -> Played:
    """Plays `LOG` under these keys of `[window]`."""
    windower = PartitionWindower(WindowSettings.model_validate({**CLOCKS, **keys}).policy(), ("a",), "readings", 0)
    row = RowFormat(1).pack(1.0)
    watermark: list[tuple[float, float]] = []
    late: list[float] = []
    bars: list[Bar] = []
    for offset, (time, arrival) in enumerate(LOG):
        if watermark and time < watermark[-1][1]:
            late.append(time)
        windower.arrive(_ms(arrival), False, offset)
        windower.take(DEVICE, _ms(time), row, offset, _ms(arrival))
        watermark.append((arrival, _watermark(windower)))
        _add_bars(windower, arrival, bars)
    windower.tick(_ms(TICK), False, len(LOG))
    _add_bars(windower, TICK, bars)
    return Played(tuple(watermark), tuple(late), tuple(bars))


def windows_figure() -> Figure:
    """The log and its watermark above, one lane for each configuration below; event time from left to right, in seconds.

    Each window is a `Rectangle`, and a text with the `gid` "window".
    """
    lanes = [play(keys) for _, keys in LANES]
    rows = [lane.rows for lane in lanes]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 12), dpi=100)
        grid = figure.add_gridspec(
            1 + len(lanes), 1, left=0.205, right=0.985, top=0.9, bottom=0.055, hspace=0.12, height_ratios=[7.4, *(0.3 + n for n in rows)]
        )
        log = figure.add_subplot(grid[0])
        _draw_log(log, lanes[0])
        for place, ((text, keys), lane) in enumerate(zip(LANES, lanes, strict=True)):
            axes = figure.add_subplot(grid[1 + place], sharex=log)
            _draw_lane(axes, text, keys, lane)
            axes.tick_params(labelbottom=place == len(lanes) - 1, length=0 if place < len(lanes) - 1 else 4)
        axes.set_xlabel("event time, s", color=INK)
        _headlines(figure)
    return figure


def make(folder: Path) -> Path:
    """Writes `windows.png`; its description is the digest of what is drawn."""
    path = folder / "windows.png"
    windows_figure().savefig(path, format="png", metadata={"Description": digest()})
    return path


def digest() -> str:
    """Changes with any window, late reading or watermark of the picture."""
    drawn = [(text, keys, play(keys)) for text, keys in LANES]
    return hashlib.blake2b(repr((LOG, TICK, CLOCKS, drawn)).encode(), digest_size=16).hexdigest()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _watermark(windower: PartitionWindower) -> float:
    dumped = windower.dump(DEVICE)
    assert dumped is not None, "the device is live"
    return msgspec.msgpack.decode(dumped[1], type=Episode).watermark / 1000


def _add_bars(windower: PartitionWindower, arrival: float, bars: list[Bar]) -> None:
    """Puts what the windower published into the first row that is free."""
    for window in windower.collect():
        start, end = window.start / 1000, window.end / 1000
        taken = {bar.row for bar in bars if start < bar.end and bar.start < end}
        row = next(row for row in range(len(bars) + 1) if row not in taken)
        steps = tuple(time / 1000 for time in np.frombuffer(window.times, "<i8").tolist())
        bars.append(Bar(start, end, steps, window.reason.value, window.revision, arrival, row))


def _headlines(figure: Figure) -> None:
    figure.text(0.02, 0.968, "One log, six ways to cut it into windows", fontsize=17, weight="bold", color=INK)
    clocks = ", ".join(f'{key} = "{value}"' for key, value in CLOCKS.items())
    figure.text(0.02, 0.943, f"One device. In all lanes: {clocks}.", fontsize=11, color=SOFT)
    handles = [
        Line2D([], [], color=READING, marker="o", linestyle="none", markersize=6, label="reading"),
        Line2D([], [], color=LATE, marker="X", linestyle="none", markersize=8, label="late reading"),
        Line2D([], [], color=WATERMARK, linewidth=2, label="watermark"),
        Patch(facecolor=FILL, edgecolor=READING, label="window: the reason why it closed, the arrival that closed it"),
        Patch(facecolor=REVISED, edgecolor=LATE, label="revised"),
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.012, 0.938), ncols=5, frameon=False, columnspacing=1.8)


def _draw_log(axes: Axes, played: Played) -> None:
    arrivals, watermarks = zip(*played.watermark, strict=True)
    axes.step(watermarks, arrivals, where="pre", color=WATERMARK, linewidth=2, gid="watermark")
    axes.plot([watermarks[-1]] * 2, [arrivals[-1], TICK], color=WATERMARK, linewidth=2)
    for late, marker, color, size in ((False, "o", READING, 6), (True, "X", LATE, 9)):
        dots = [(time, arrival) for time, arrival in LOG if (time in played.late) is late]
        axes.plot(*zip(*dots, strict=True), marker, color=color, markersize=size, gid="late" if late else "readings", zorder=3)
    axes.axhline(TICK, color=SOFT, linewidth=1, linestyle=(0, (5, 4)))
    axes.text(SPAN[0] + 0.5, TICK - 1, f"a tick at {TICK:g} s: nothing was heard for idle_timeout, so all closes", color=SOFT, va="top")
    for time, arrival in LOG:
        if time in played.late:
            text = f"{time:g} s is left of the\nwatermark: late"
            axes.text(time - 1, arrival, text, color=LATE, ha="right", va="center")
    axes.set_ylim(0, TICK + 4)
    axes.set_xlim(*SPAN)
    axes.set_ylabel("arrival, s", color=INK)
    axes.tick_params(labelbottom=False, colors=SOFT)
    _draw_grid(axes)


def _draw_grid(axes: Axes) -> None:
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_lane(axes: Axes, text: str, keys: Mapping[str, Any], lane: Played) -> None:
    for bar in lane.bars:
        _draw_bar(axes, bar, lane.late)
    axes.set_ylim(lane.rows, -0.08)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    _draw_grid(axes)
    written = "\n".join(f"{key} = {_toml(value)}" for key, value in keys.items())
    axes.text(-0.237, 0.98, text, transform=axes.transAxes, va="top", weight="bold", color=INK)
    axes.annotate(written, (-0.237, 0.98), (0, -15), "axes fraction", "offset points", va="top", color=SOFT, family="monospace", fontsize=9)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _draw_bar(axes: Axes, bar: Bar, late: Container[float]) -> None:
    face, edge = (REVISED, LATE) if bar.revision else (FILL, READING)
    length = bar.end - bar.start
    axes.add_patch(Rectangle((bar.start, bar.row + 0.06), length, 0.84, facecolor=face, edgecolor=edge, linewidth=1.2))
    for time in bar.steps:
        marker, color, size = ("X", LATE, 6) if time in late else ("o", READING, 3.6)
        axes.plot([time], [bar.row + 0.75], marker, color=color, markersize=size, clip_on=False)
    between = ", " if length >= NARROW else "\n"
    label = f"{bar.reason}{between}{bar.arrival:g} s" + (f", revision {bar.revision}" if bar.revision else "")
    middle = bar.start + length / 2
    axes.text(middle, bar.row + 0.36, label, ha="center", va="center", fontsize=9, linespacing=1.1, color=INK, gid="window")


def main() -> None:
    """Writes the pictures where the pages look for them."""
    pictures = Path(__file__).parent / "pictures"
    make(pictures)
    if "SENSORLINE_DATA" in os.environ:
        make_lengths(pictures, Path(os.environ["SENSORLINE_DATA"]))


if __name__ == "__main__":
    main()

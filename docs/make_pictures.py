"""Makes the pictures of the documentation from the code: `python docs/make_pictures.py`.

One log is played through the real windower under several configurations; what is drawn is what it said and published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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

from pipeline.config.window import WindowSettings
from pipeline.core.episode import Episode
from pipeline.core.step import RowFormat
from pipeline.core.windower import PartitionWindower
from pipeline.records import Window

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
class Published:
    """A window, the arrival (s) of the record that made it come out, and its row within the lane."""

    window: Window
    arrival: float
    row: int

    @property
    def steps(self) -> list[float]:
        """Event times of its steps, s."""
        return [time / 1000 for time in np.frombuffer(self.window.times, "<i8").tolist()]


@dataclass(frozen=True)
class Played:
    """What one configuration made of the log. Seconds."""

    watermark: tuple[tuple[float, float], ...]  # (arrival, watermark) after each reading
    late: frozenset[float]  # event times that were earlier than the watermark
    windows: tuple[Published, ...]

    @property
    def rows(self) -> int:
        """Rows that its windows take without covering each other."""
        return 1 + max(published.row for published in self.windows)


def play(keys: Mapping[str, Any]) -> Played:
    """Plays `LOG` under these keys of `[window]`."""
    windower = PartitionWindower(WindowSettings.model_validate({**CLOCKS, **keys}).policy(), ("a",), "readings", 0)
    row = RowFormat(1).pack(1.0)
    watermark: list[tuple[float, float]] = []
    late: set[float] = set()
    windows: list[Published] = []
    for offset, (time, arrival) in enumerate(LOG):
        if watermark and time < watermark[-1][1]:
            late.add(time)
        windower.arrive(_ms(arrival), False, offset)
        windower.take(DEVICE, _ms(time), row, offset, _ms(arrival))
        watermark.append((arrival, _watermark(windower)))
        _publish(windower, arrival, windows)
    windower.tick(_ms(TICK), False, len(LOG))
    _publish(windower, TICK, windows)
    return Played(tuple(watermark), frozenset(late), tuple(windows))


def windows_figure() -> Figure:
    """The log and its watermark above, one lane for each configuration below; event time from left to right, in seconds.

    Each window is a `Rectangle` whose `gid` is its id, sequence and revision.
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
    drawn = [(text, keys, _drawn(play(keys))) for text, keys in LANES]
    return hashlib.blake2b(repr((LOG, TICK, CLOCKS, drawn)).encode(), digest_size=16).hexdigest()


def _drawn(played: Played) -> tuple[object, ...]:
    windows = [
        (
            published.window.reason.value,
            published.window.start,
            published.window.end,
            published.window.revision,
            published.arrival,
            published.steps,
        )
        for published in played.windows
    ]
    return played.watermark, sorted(played.late), windows


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _watermark(windower: PartitionWindower) -> float:
    dumped = windower.dump(DEVICE)
    assert dumped is not None, "the device is live"
    return msgspec.msgpack.decode(dumped[1], type=Episode).watermark / 1000


def _publish(windower: PartitionWindower, arrival: float, windows: list[Published]) -> None:
    """Puts what the windower published into the first row that is free."""
    for window in windower.collect():
        row = 0
        while any(other.row == row and window.start < other.window.end and other.window.start < window.end for other in windows):
            row += 1
        windows.append(Published(window, arrival, row))


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
    axes.step(
        [w for _, w in played.watermark], [a for a, _ in played.watermark], where="pre", color=WATERMARK, linewidth=2, gid="watermark"
    )
    for late, marker, color, size in ((False, "o", READING, 6), (True, "X", LATE, 9)):
        dots = [(time, arrival) for time, arrival in LOG if (time in played.late) is late]
        axes.plot(*zip(*dots, strict=True), marker, color=color, markersize=size, gid="late" if late else "readings", zorder=3)
    last_arrival, last_watermark = played.watermark[-1]
    axes.plot([last_watermark] * 2, [last_arrival, TICK], color=WATERMARK, linewidth=2)
    axes.axhline(TICK, color=SOFT, linewidth=1, linestyle=(0, (5, 4)))
    axes.text(SPAN[0] + 0.5, TICK - 1, f"a tick at {TICK:g} s: nothing was heard for idle_timeout, so all closes", color=SOFT, va="top")
    for time, arrival in LOG:
        if time in played.late:
            axes.annotate(
                f"{time:g} s is left of the\nwatermark: late",
                (time, arrival),
                (-10, 0),
                textcoords="offset points",
                color=LATE,
                ha="right",
                va="center",
            )
    axes.set_ylim(0, TICK + 4)
    axes.set_xlim(*SPAN)
    axes.set_ylabel("arrival, s", color=INK)
    axes.tick_params(labelbottom=False, colors=SOFT)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_lane(axes: Axes, text: str, keys: Mapping[str, Any], lane: Played) -> None:
    for published in lane.windows:
        _draw_window(axes, published, lane)
    axes.set_ylim(lane.rows, -0.08)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    written = "\n".join(f"{key} = {_toml(value)}" for key, value in keys.items())
    axes.text(-0.237, 0.98, text, transform=axes.transAxes, va="top", weight="bold", color=INK)
    axes.annotate(written, (-0.237, 0.98), (0, -15), "axes fraction", "offset points", va="top", color=SOFT, family="monospace", fontsize=9)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _draw_window(axes: Axes, published: Published, lane: Played) -> None:
    window, row = published.window, published.row
    start, end = window.start / 1000, window.end / 1000
    face, edge = (REVISED, LATE) if window.revision else (FILL, READING)
    gid = f"{window.id} {window.sequence} {window.revision}"
    axes.add_patch(Rectangle((start, row + 0.06), end - start, 0.84, facecolor=face, edgecolor=edge, linewidth=1.2, gid=gid))
    for time in published.steps:
        late = time in lane.late
        axes.plot([time], [row + 0.75], "X" if late else "o", color=LATE if late else READING, markersize=6 if late else 3.6, clip_on=False)
    between = ", " if end - start >= NARROW else "\n"
    label = f"{window.reason}{between}{published.arrival:g} s" + (f", revision {window.revision}" if window.revision else "")
    axes.text((start + end) / 2, row + 0.36, label, ha="center", va="center", fontsize=9, linespacing=1.1, color=INK, gid=gid)


def main() -> None:
    """Writes the pictures where the pages look for them."""
    make(Path(__file__).parent / "pictures")


if __name__ == "__main__":
    main()

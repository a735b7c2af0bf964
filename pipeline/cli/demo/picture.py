"""The picture of one machine: above its whole day, below some windows from near. Draws what it is given."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from pipeline.cli.demo.story import Episode, Machine
from pipeline.config import Settings
from pipeline.core.alerting import AlertRule
from pipeline.recordings.atomic import atomic_file
from pipeline.records import Window

# Colours by Okabe and Ito, told apart by the colour-blind too.
INK, SOFT, READING, REAL, ALARM = "#222222", "#8a8a8a", "#0072B2", "#009E73", "#D55E00"
BAND = "#0072B2"

NEAR_BEFORE, NEAR_AFTER = 2, 1  # windows from near: so many before and after that in which the alert was raised
STYLE = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "axes.titlelocation": "left"}

Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class _Steps:
    """The steps of windows one after the other: times, and values (steps x sensors)."""

    times: Times
    values: NDArray[np.float32]


def draw(machine: Machine, windows: Sequence[Window], settings: Settings, path: Path) -> None:
    """Writes the picture as PNG. `windows`: the machine's, all with at least one step, in any order."""
    # Where its cache is, and that it builds one, is nothing for here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    ordered = sorted(windows, key=lambda window: window.source.last_arrival)
    rule = settings.alerts[0].rule()
    near = _near(machine, ordered)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 9.2), dpi=120)
        grid = GridSpec(5, 1, figure, height_ratios=(2.3, 1.25, 0.95, 0.95, 0.95))
        grid.update(left=0.065, right=0.875, top=0.9, bottom=0.055, hspace=0.16)
        day = figure.add_subplot(grid[0])
        spread = figure.add_subplot(grid[1], sharex=day)
        _draw_scores(day, machine, rule)
        _draw_day(spread, machine, _steps(ordered), settings)
        _mark_near((day, spread), near)
        _draw_near(figure, grid, machine, near, settings)
        _headline(figure, machine, rule)
        with atomic_file(path) as file:
            figure.savefig(file, format="png")


def _headline(figure: Figure, machine: Machine, rule: AlertRule) -> None:
    figure.text(0.065, 0.965, f"{machine.device} wears out, and its alert says so", fontsize=17, weight="bold", color=INK)
    needed = f"{rule.needed} of {rule.of} windows score above {rule.above:g}" if rule.above is not None else rule.name
    text = f"Each bar is a window of irregular readings, scored by the LSTM. The alert is raised when {needed}."
    figure.text(0.065, 0.937, text, fontsize=11, color=SOFT)


def _draw_scores(axes: Axes, machine: Machine, rule: AlertRule) -> None:
    scores = machine.scores
    ends = _moments([score.end for score in scores])
    axes.plot(ends, [np.nan if score.real is None else score.real for score in scores], color=REAL, linewidth=2, zorder=2)
    axes.plot(ends, [score.wear for score in scores], "o", color=INK, markersize=4, zorder=3)
    for bound, text in ((rule.above, "raise above"), (rule.clear_below, "clear below")):
        if bound is not None:
            axes.axhline(bound, color=ALARM, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
            _beside(axes, bound, f"{text} {bound:g}", ALARM)
    _shade_episodes(axes, machine, named=True)
    axes.set_ylim(-0.05, 1.12)
    axes.set_ylabel("wear, 0 to 1")
    handles = [
        Line2D([], [], color=INK, marker="o", linestyle="none", markersize=4, label="score of a window"),
        Line2D([], [], color=REAL, linewidth=2, label="real wear, hidden from the model"),
        Patch(color=ALARM, alpha=0.16, label="alert"),
    ]
    axes.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1.0), ncols=3, frameon=False)
    axes.tick_params(labelbottom=False)


def _draw_day(axes: Axes, machine: Machine, steps: _Steps, settings: Settings) -> None:
    sensor = settings.sensors.names.index("vibration")
    axes.plot(steps.times, steps.values[:, sensor], ".", color=READING, markersize=2, alpha=0.6)
    _shade_episodes(axes, machine)
    axes.set_ylabel(_named(settings, "vibration"))
    _hours(axes)


def _draw_near(figure: Figure, grid: GridSpec, machine: Machine, near: Sequence[Window], settings: Settings) -> None:
    first: Axes | None = None
    steps = _steps(near)
    for row, sensor in enumerate(settings.sensors.names[:3]):
        axes = figure.add_subplot(grid[2 + row], sharex=first)
        first = first or axes
        axes.plot(steps.times, steps.values[:, row], ".", color=READING, markersize=4)
        for window in near:
            start, end = _moments([window.start, window.end])
            axes.axvspan(start, end, color=BAND, alpha=0.08, linewidth=0)
        axes.set_ylabel(_named(settings, sensor))


def _shade_episodes(axes: Axes, machine: Machine, named: bool = False) -> None:
    last = max(score.arrival for score in machine.scores)
    for episode in machine.episodes:
        start, end = _moments([episode.raised, episode.cleared or last])
        axes.axvspan(start, end, color=ALARM, alpha=0.16, linewidth=0, zorder=0)
        if named:
            axes.text(start, 1.1, " raised", color=ALARM, weight="bold", va="top")
            if episode.cleared is not None:
                axes.text(end, 1.1, " cleared", color=ALARM, va="top")


def _near(machine: Machine, windows: Sequence[Window]) -> Sequence[Window]:
    """The windows around that in which the first alert was raised; without one the last of all."""
    place = len(windows) - 1
    if machine.episodes:
        place = next(index for index, window in enumerate(windows) if window.source.last_arrival == machine.episodes[0].raised)
    return windows[max(0, place - NEAR_BEFORE) : place + NEAR_AFTER + 1]


def _mark_near(all_axes: Sequence[Axes], near: Sequence[Window]) -> None:
    start, end = _moments([near[0].start, near[-1].end])
    for axes in all_axes:
        axes.axvspan(start, end, facecolor="none", edgecolor=INK, linewidth=1, zorder=4)


def _beside(axes: Axes, height: float, text: str, color: str) -> None:
    axes.text(1.008, height, text, color=color, va="center", transform=axes.get_yaxis_transform())


def _hours(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))


def _named(settings: Settings, sensor: str) -> str:
    unit = settings.sensors.units.get(sensor)
    return sensor if unit is None else f"{sensor}\n{unit}"


def _steps(windows: Sequence[Window]) -> _Steps:
    times = np.concatenate([np.frombuffer(window.times, "<i8") for window in windows])
    values = np.concatenate([np.frombuffer(window.values, "<f4").reshape(window.length, -1) for window in windows])
    return _Steps(times.astype("datetime64[ms]"), values)


def _moments(times_ms: Sequence[int]) -> Any:
    return np.array(times_ms, np.int64).astype("datetime64[ms]")

"""The picture of one machine: above its whole day, below some windows from near. Draws what it is given."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, Patch
from numpy.typing import NDArray

from pipeline.cli.demo.story import Machine, lives
from pipeline.config import Settings
from pipeline.config.alerts import AlertSettings
from pipeline.recordings.atomic import atomic_file
from pipeline.records import Window

# Colours by Okabe and Ito, told apart by the colour-blind too.
INK, SOFT, READING, REAL, ALARM = "#222222", "#767676", "#0072B2", "#009E73", "#D55E00"
LEFT, RIGHT = 0.072, 0.885
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "xtick.color": SOFT}

NEAR_BEFORE, NEAR_AFTER = 2, 1  # windows from near: so many before and after that in which the alert was raised


def draw(machine: Machine, windows: Sequence[Window], settings: Settings, path: Path) -> None:
    """Writes the picture as PNG. `windows`: all of the machine, which has one at least, in any order."""
    # That it builds a cache of fonts, and where, is nothing for here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    ordered = sorted(windows, key=lambda window: window.source.last_arrival)
    near = _near(machine, ordered)
    rule = settings.alerts[0]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 10), dpi=120)
        top = GridSpec(2, 1, figure, LEFT, 0.435, RIGHT, 0.885, hspace=0.1, height_ratios=(2, 1))
        scores = figure.add_subplot(top[0])
        readings = figure.add_subplot(top[1], sharex=scores)
        _draw_scores(scores, machine, rule)
        _draw_day(readings, machine, ordered, settings)
        bottom = GridSpec(3, 1, figure, LEFT, 0.055, RIGHT, 0.32, hspace=0.14)
        panels = [figure.add_subplot(bottom[0])]
        panels += [figure.add_subplot(bottom[row], sharex=panels[0]) for row in (1, 2)]
        _draw_near(panels, machine, near, settings, rule)
        _join(readings, panels[0], near)
        _headlines(figure, machine, rule, len(near))
        figure.align_ylabels([scores, readings, *panels])
        with atomic_file(path) as file:
            figure.savefig(file, format="png")


def _headlines(figure: Figure, machine: Machine, rule: AlertSettings, near: int) -> None:
    right = machine.worn and machine.agrees
    title = "wears out, and its alert says so" if right else f"and its alerts: {len(machine.episodes)}"
    figure.text(LEFT, 0.962, f"{machine.device} {title}", fontsize=17, weight="bold", color=INK)
    needed, of = rule.for_
    sentence = f"Each spell of work is a window, and each window gets a score; {needed} of {of} above {rule.above:g} raise the alert."
    figure.text(LEFT, 0.934, sentence, fontsize=11, color=SOFT)
    handles = [
        Line2D([], [], color=INK, marker="o", linestyle="none", markersize=4.5, label="score of a window, by the LSTM"),
        Line2D([], [], color=REAL, linewidth=2.2, label="real wear, which the model does not see"),
        Patch(color=ALARM, alpha=0.16, label="alert"),
    ]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(LEFT - 0.01, 0.928), ncols=3, frameon=False, columnspacing=2.5)
    text = f"From near: the readings of {near} windows" + (" around the first alert" if machine.episodes else "")
    figure.text(LEFT, 0.358, text, fontsize=12, weight="bold", color=INK)


def _draw_scores(axes: Axes, machine: Machine, rule: AlertSettings) -> None:
    for life in lives(machine.scores):
        axes.plot(
            _moments([score.end for score in life]),
            [np.nan if score.real is None else score.real for score in life],
            color=REAL,
            linewidth=2.2,
            zorder=2,
        )
        if life[-1] is not machine.scores[-1]:
            axes.annotate("overhaul ", (_moments([life[-1].end])[0], 0.02), color=REAL, ha="right", va="center")
    axes.plot(_moments([score.end for score in machine.scores]), [score.wear for score in machine.scores], "o", color=INK, ms=4.5, zorder=3)
    for bound, text in ((rule.above, "raise above"), (rule.clear_below, "clear at")):
        if bound is not None:
            axes.axhline(bound, color=ALARM, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
            axes.text(1.008, bound, f"{text} {bound:g}", color=ALARM, va="center", transform=axes.get_yaxis_transform())
    _shade_alerts(axes, machine)
    for episode in machine.episodes:
        axes.text(_moments([episode.raised])[0], 1.13, " raised", color=ALARM, weight="bold", va="top")
        if episode.cleared is not None:
            axes.text(_moments([episode.cleared])[0], 1.06, " cleared", color=ALARM, va="top")
    axes.set_ylim(-0.06, 1.15)
    axes.set_ylabel("wear\n0 new, 1 worn out")
    axes.tick_params(labelbottom=False)


def _draw_day(axes: Axes, machine: Machine, windows: Sequence[Window], settings: Settings) -> None:
    sensor = "vibration"
    times, values = _steps(windows)
    axes.plot(times, values[:, settings.sensors.names.index(sensor)], ".", color=READING, markersize=2, alpha=0.6)
    _shade_alerts(axes, machine)
    _name(axes, settings, sensor)
    axes.text(1.008, 0.5, "its spread\ntells the wear", color=READING, va="center", transform=axes.transAxes)
    _show_hours(axes)
    axes.margins(x=0.01)


def _draw_near(panels: Sequence[Axes], machine: Machine, near: Sequence[Window], settings: Settings, rule: AlertSettings) -> None:
    times, values = _steps(near)
    scores = {(score.end, score.arrival): score.wear for score in machine.scores}
    for row, axes in enumerate(panels):
        axes.plot(times, values[:, row], ".", color=READING, markersize=4.5)
        _name(axes, settings, settings.sensors.names[row])
        for window in near:
            axes.axvspan(*_moments([window.start, window.end]), color=READING, alpha=0.09, linewidth=0)
        axes.tick_params(labelbottom=row == len(panels) - 1)
        for episode in machine.episodes:
            if near[0].start <= episode.raised <= near[-1].source.last_arrival:
                axes.axvline(_moments([episode.raised])[0], color=ALARM, linewidth=1.5)
                axes.text(_moments([episode.raised])[0], 0.5, "" if row else " alert", color=ALARM, transform=axes.get_xaxis_transform())
    for window in near:
        middle = _moments([(window.start + window.end) // 2])[0]
        wear = scores.get((window.end, window.source.last_arrival))
        text = f"{window.length} readings\n{'not scored' if wear is None else f'score {wear:.2f}'}"
        color = ALARM if wear is not None and rule.bounds().raises(wear) else INK
        panels[0].annotate(
            text, (middle, 1), (0, 3), panels[0].get_xaxis_transform(), "offset points", ha="center", color=color, fontsize=9
        )
    _show_hours(panels[0])
    panels[0].margins(x=0.03)
    panels[-1].set_xlabel("time of day (UTC), as the simulated machine tells it", color=SOFT)


def _join(day: Axes, near_axes: Axes, near: Sequence[Window]) -> None:
    """Marks in the day what is drawn from near."""
    start, end = _moments([near[0].start, near[-1].end])
    day.axvspan(start, end, facecolor="none", edgecolor=INK, linewidth=1.2, zorder=4)
    low = day.get_ylim()[0]
    for moment, corner in ((start, 0), (end, 1)):
        line = ConnectionPatch((moment, low), (corner, 1.72), day.transData, near_axes.transAxes, color=SOFT, linewidth=0.8, zorder=-1)
        day.figure.add_artist(line)
    for label in day.get_xticklabels():
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # over the lines


def _shade_alerts(axes: Axes, machine: Machine) -> None:
    last = max(score.arrival for score in machine.scores)
    for episode in machine.episodes:
        axes.axvspan(*_moments([episode.raised, episode.cleared or last]), color=ALARM, alpha=0.16, linewidth=0, zorder=0)


def _near(machine: Machine, windows: Sequence[Window]) -> Sequence[Window]:
    """The windows around that in which the first alert was raised; without one the last of all."""
    raised = machine.episodes[0].raised if machine.episodes else None
    place = next((index for index, window in enumerate(windows) if window.source.last_arrival == raised), len(windows) - 1)
    return windows[max(0, place - NEAR_BEFORE) : place + NEAR_AFTER + 1]


def _name(axes: Axes, settings: Settings, sensor: str) -> None:
    unit = settings.sensors.units.get(sensor)
    axes.set_ylabel(sensor if unit is None else f"{sensor}\n{unit}")


def _steps(windows: Sequence[Window]) -> tuple[Any, Any]:
    """The windows' steps one after the other: times, and values (steps x sensors, NaN = unobserved)."""
    times = np.concatenate([np.frombuffer(window.times, "<i8") for window in windows])
    values = np.concatenate([np.frombuffer(window.values, "<f4").reshape(window.length, -1) for window in windows])
    return _moments(times), values


def _moments(times_ms: Sequence[int] | NDArray[np.int64]) -> Any:
    return date2num(np.array(times_ms, np.int64).astype("datetime64[ms]"))  # type: ignore[no-untyped-call]


def _show_hours(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=4, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]

"""How the episodes of a trial are shown: a table, lines of JSON, and a timeline. Decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipeline.cli.alert_trial import Episode, Trial
from pipeline.recordings.atomic import atomic_file

# By Okabe and Ito, told apart by the colour-blind too.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SOFT = "#767676"
LANE = 0.8  # of a row's height, shared by the rules
ROW_INCHES, LEAST_INCHES, MOST_INCHES = 0.32, 2.6, 40.0
MOST_ROWS = 150


class Line(msgspec.Struct, frozen=True):
    """One episode as JSON; times are RFC 3339, `cleared` null: still raised at the end."""

    device: str
    rule: str
    id: str
    raised: str
    cleared: str | None
    seconds: float | None
    value: float
    devices: tuple[str, ...]  # of a group's alert: those that held


def json_lines(trial: Trial) -> list[bytes]:
    """One line for each episode."""
    return [msgspec.json.encode(_line(episode)) for episode in trial.episodes]


def table_of(trial: Trial) -> Table:
    """One row for each episode."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("device", "rule", "raised, UTC", "cleared", "lasted", "value"):
        table.add_column(name, justify="right" if name in ("lasted", "value") else "left", no_wrap=True)
    for episode in trial.episodes:
        alert = episode.raised
        cleared = "still raised" if episode.cleared is None else _moment(episode.cleared)
        lasted = "" if episode.cleared is None else _lasting(episode.cleared - alert.since)
        table.add_row(alert.device, alert.rule, _moment(alert.since), cleared, lasted, f"{alert.value:.4g}")
    return table


def draw(trial: Trial, rules: Sequence[str], path: Path) -> None:
    """Writes a timeline as PNG: a row for each device that had an alert, a bar for each episode, a colour for each rule."""
    # What it says of its cache of fonts is nothing for here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    devices = sorted({episode.raised.device for episode in trial.episodes})[:MOST_ROWS]
    colours = {rule: COLOURS[number % len(COLOURS)] for number, rule in enumerate(rules)}
    inches = min(MOST_INCHES, max(LEAST_INCHES, 1.4 + ROW_INCHES * len(devices) * max(1.0, len(rules) / 2)))
    figure = Figure(figsize=(11, inches), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for episode in trial.episodes:
        if episode.raised.device in devices:
            _draw_episode(axes, episode, trial, devices.index(episode.raised.device), (list(colours), colours[episode.raised.rule]))
    axes.set_yticks(range(len(devices)), devices)
    axes.set_ylim(len(devices) - 0.4, -0.6)
    axes.set_xlim(*[_date(time) for time in trial.span])
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("arrival, UTC", color=SOFT)
    for row in range(1, len(devices)):
        axes.axhline(row - 0.5, color=SOFT, linewidth=0.3)
    if not devices:
        axes.text(0.5, 0.5, "no alert", transform=axes.transAxes, ha="center", color=SOFT)
    axes.set_title(f"{len(trial.episodes)} alerts; an arrow: still raised at the end", loc="left", fontsize=11, pad=28)
    handles = [Patch(color=colour, label=rule) for rule, colour in colours.items()]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False, fontsize=9, borderaxespad=0.2)
    with atomic_file(path) as file:
        figure.savefig(file, format="png")


def _draw_episode(axes: Axes, episode: Episode, trial: Trial, row: int, style: tuple[list[str], str]) -> None:
    rules, colour = style
    height = LANE / len(rules)
    middle = row - LANE / 2 + height * (rules.index(episode.raised.rule) + 0.5)
    begin = _date(episode.raised.since)
    end = _date(trial.span[1] if episode.cleared is None else episode.cleared)
    axes.barh(middle, end - begin, left=begin, height=height * 0.85, color=colour, linewidth=0, alpha=0.85)
    # An episode may be shorter than a pixel, and one that is still raised may have begun with the last window.
    axes.plot([begin], [middle], marker="|", color=colour, markersize=max(4.0, 60 * height * ROW_INCHES), markeredgewidth=1.8)
    if episode.cleared is None:
        axes.plot([end], [middle], marker=">", color=colour, markersize=7, clip_on=False)


def _date(time_ms: int) -> float:
    return time_ms / 86_400_000  # days since the epoch, as matplotlib counts


def _line(episode: Episode) -> Line:
    alert, cleared = episode.raised, episode.cleared
    seconds = None if cleared is None else (cleared - alert.since) / 1000
    ended = None if cleared is None else _rfc3339(cleared)
    return Line(alert.device, alert.rule, alert.id, _rfc3339(alert.since), ended, seconds, alert.value, alert.devices)


def _rfc3339(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")


def _lasting(ms: int) -> str:
    """Hours, minutes and seconds.

    >>> _lasting(3_723_000)
    '1:02:03'
    """
    seconds = round(ms / 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

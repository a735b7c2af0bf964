"""A difference of two sets of predictions for a terminal, and as a file. Decides nothing."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.backtest.difference import Difference, compare
from pipeline.backtest.outcome import Outcome
from pipeline.backtest.report import html_report, moment, verdict
from pipeline.recordings.atomic import atomic_file

FILE_WIDTH = 140  # where standard output is no terminal
CHANGES, ALERTS = 10, 10


def write_report(a: Outcome, b: Outcome, tolerance: float, path: Path) -> Difference:
    """Compares, and writes the page."""
    difference = compare(a, b, tolerance)
    with atomic_file(path) as file:
        file.write(html_report(difference, a, b).encode())
    return difference


def show_difference(d: Difference) -> None:
    """Prints the verdict, the sides, and the largest of what differs."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    console.print(verdict(d))
    for side, it in (("a", d.a), ("b", d.b)):
        console.print(f"{side}: {it.name}, {it.model}, {it.predictions} predictions")
    outputs = _table("outputs, b - a", "output", "changed", "mean", "mean absolute", "RMSE", "largest absolute")
    for o in d.outputs:
        outputs.add_row(o.name, str(o.changed), *(f"{number:.6g}" for number in (o.mean, o.mean_absolute, o.rmse, o.largest_absolute)))
    console.print(outputs)
    if d.changes:
        changes = _table(f"largest of {len(d.changes)} changes", "device", "end of the window", "output", "a", "b", "b - a")
        for c in d.changes[:CHANGES]:
            changes.add_row(c.device, moment(c.end), c.output, *(f"{number:.6g}" for number in (c.a, c.b, c.b - c.a)))
        console.print(changes)
    if d.alerts:
        alerts = _table(f"{len(d.alerts)} alerts that only one has", "only in", "device", "rule", "state", "time")
        for alert in d.alerts[:ALERTS]:
            alerts.add_row(alert.side, alert.device, alert.rule, alert.state, moment(alert.time))
        console.print(alerts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table

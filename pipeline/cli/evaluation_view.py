"""A verdict for a terminal. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.evaluation.judge import measures, shown

_FILE_WIDTH = 140  # where standard output is no terminal
_LEFT_OUT = {"too_short": "are too short", "refused": "were refused by the scorer", "unlabelled": "have no label"}


def show_verdict(numbers: Mapping[str, Any]) -> None:
    """Prints what was judged, the measures, and the error by the length of the window."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    console.print(_counted(numbers), highlight=False)
    metrics = numbers["metrics"]
    by_output = metrics if numbers["task"] == "regression" else {"value": metrics}
    for output, of_output in by_output.items():
        table = _table("measure", output)
        for name, text in measures(of_output):
            table.add_row(name, text)
        console.print(table)
        console.print(_by_length(of_output["by_length"]))


def _counted(numbers: Mapping[str, Any]) -> str:
    counts = numbers["counts"]
    which = "the last window of each" if numbers["which"] == "last" else "all windows"
    left_out = ", ".join(f"{counts[name]:,} {text}" for name, text in _LEFT_OUT.items())
    return (
        f"{numbers['model']}, judged by {which} of {counts['devices']:,} devices: {counts['judged']:,}\n"
        f"of {counts['windows']:,} windows of the recording {left_out}"
    )


def _by_length(groups: list[dict[str, Any]]) -> Table:
    measure = next(iter(groups[0].keys() - {"from", "to", "windows"})) if groups else "error"
    table = _table("steps of the window", "windows", measure)
    for group in groups:
        span = f"{group['from']}" if group["from"] == group["to"] else f"{group['from']}–{group['to']}"
        table.add_row(span, f"{group['windows']:,}", shown(group[measure]))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table

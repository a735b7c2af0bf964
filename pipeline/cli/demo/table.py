"""The table of machines, and the sentence on how right the alerts are. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from pipeline.cli.demo.story import WORN, Machine

CAPTION = f"""\
score, real: wear from 0 to 1 at the end, by the LSTM and by the simulator
worn out: times that the machine really wore past {WORN}, until its overhaul
alerts at: the real wear when each alert was raised
refused: readings of a wrong clock, or too late"""


def table_of(machines: Sequence[Machine]) -> Table:
    """One row for each machine; as wide as 80 columns allow."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("machine", "windows", "refused", "score", "real", "worn out", "alerts at", "alert now"):
        table.add_column(name, justify="right" if name in ("windows", "refused", "score", "real", "worn out") else "left", no_wrap=True)
    for machine in machines:
        table.add_row(*_cells(machine))
    return table


def _cells(machine: Machine) -> list[str | Text]:
    last = machine.scores[-1] if machine.scores else None
    return [
        machine.device,
        str(len(machine.scores)),
        _or_blank(machine.refused),
        "" if last is None else f"{last.wear:.2f}",
        "" if last is None or last.real is None else f"{last.real:.2f}",
        _or_blank(machine.worn),
        ", ".join("?" if episode.real is None else f"{episode.real:.2f}" for episode in machine.episodes),
        Text("") if machine.alarmed_since is None else Text(f"since {clock_time(machine.alarmed_since)}", style="bold red"),
    ]


def verdict(machines: Sequence[Machine]) -> str:
    """How the alerts compare with the wear that only the simulator knows."""
    agree = sum(machine.agrees for machine in machines)
    told = f"{agree} of {len(machines)} machines have as many alerts as lives that really wore past {WORN}"
    others = [_difference(machine) for machine in machines if not machine.agrees]
    return f"{told}{'; ' if others else '.'}{', '.join(others)}{'.' if others else ''}"


def _difference(machine: Machine) -> str:
    more = len(machine.episodes) - machine.worn
    return f"{machine.device} has {abs(more)} {'more' if more > 0 else 'fewer'}"


def clock_time(ms: int) -> str:
    """Hours and minutes, UTC.

    >>> clock_time(1_767_225_600_000 + 90 * 60_000)
    '01:30'
    """
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")


def _or_blank(count: int) -> str:
    return str(count) if count else ""

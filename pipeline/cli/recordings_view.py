"""The list of `sensorline recordings` for a terminal. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from pipeline.recordings.survey import Segment

FILE_WIDTH = 140  # where standard output is no terminal
DEVICES_SHOWN = 4


def show(segments: Sequence[Segment]) -> None:
    """Prints a row for each topic and segment, and below it what is missing."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    table = Table(title="recorded topics; times are UTC", title_justify="left")
    for name in ("topic", "segment", "rows", "files", "MB", "devices", "first arrival", "last arrival", "longest silence", "refused"):
        table.add_column(name, justify="right" if name in ("segment", "rows", "files", "MB") else "left")
    for it in segments:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(it.refused.items()))
        size = f"{it.file_bytes / 1e6:.1f}"
        silence = f"{it.longest_silence_ms / 1000:g} s from {_moment(it.silence_from)}" if it.silence_from is not None else ""
        first, last = _moment(it.first_arrival), _moment(it.last_arrival)
        table.add_row(it.topic, str(it.segment), str(it.rows), str(it.files), size, _devices(it.devices), first, last, silence, refused)
    console.print(table)
    for topic, missing in {it.topic: it.missing for it in segments}.items():
        for hole in missing:
            console.print(f"{topic}: partition {hole.partition}: offsets {hole.first} to {hole.end - 1} are missing")


def _devices(devices: Sequence[str]) -> str:
    more = f" and {len(devices) - DEVICES_SHOWN} more" if len(devices) > DEVICES_SHOWN else ""
    return f"{len(devices)}: {', '.join(devices[:DEVICES_SHOWN])}{more}" if devices else ""


def _moment(time: int | None) -> str:
    if time is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):  # beyond the year 9999
        return f"{time} ms"

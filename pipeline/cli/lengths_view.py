"""The report of `sensorline lengths` as tables and a histogram for a terminal. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.bar import Bar
from rich.console import Console
from rich.table import Table

from pipeline.training.lengths import QUANTILES, BucketCost, CapCost, Distribution

BAR_WIDTH = 40
FILE_WIDTH = 120  # where standard output is no terminal


def show(lengths: Distribution, caps: Sequence[CapCost], buckets: Sequence[BucketCost], configured: int) -> None:
    """Prints the lengths without a cap, what each max_length does, and the padding under the configured one."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    for table in (_quantiles(lengths), _histogram(lengths), _caps(caps, configured), _buckets(buckets, configured)):
        console.print(table)
        console.print()


def _quantiles(lengths: Distribution) -> Table:
    table = Table(title=f"{lengths.windows} windows, {lengths.steps} steps, without max_length", title_justify="left")
    table.add_column("share of the windows")
    for share in QUANTILES:
        table.add_column(f"{share:.0%}", justify="right")
    table.add_row("steps, at most", *[str(lengths.quantile(share)) for share in QUANTILES])
    return table


def _histogram(lengths: Distribution) -> Table:
    table = Table(title="windows by their number of steps", title_justify="left", show_edge=False)
    table.add_column("steps", justify="right")
    table.add_column("windows", justify="right")
    table.add_column("", width=BAR_WIDTH)
    bars = lengths.histogram()
    most = max(bar.windows for bar in bars)
    for bar in bars:
        name = str(bar.first) if bar.first == bar.last else f"{bar.first}–{bar.last}"
        table.add_row(name, str(bar.windows), Bar(most, 0, bar.windows, width=BAR_WIDTH))
    return table


def _caps(caps: Sequence[CapCost], configured: int) -> Table:
    table = Table(title="what a max_length does (* is the configured one)", title_justify="left")
    for name in ("max_length", "windows", "split", "truncated", "steps dropped", "too short", "padding, if all to max_length"):
        table.add_column(name, justify="right")
    for cap in caps:
        mark = "*" if cap.max_length == configured else ""
        numbers = (cap.lengths.windows, cap.split, cap.truncated, cap.dropped, cap.too_short)
        padding = f"{cap.padded} ({cap.padded / max(1, cap.padded + cap.lengths.steps):.0%})"
        table.add_row(f"{mark}{cap.max_length}", *map(str, numbers), padding)
    return table


def _buckets(buckets: Sequence[BucketCost], configured: int) -> Table:
    table = Table(title=f"what padding costs with max_length {configured}", title_justify="left")
    table.add_column("pad to")
    table.add_column("lengths")
    for name in ("batches", "steps of padding", "of all computed"):
        table.add_column(name, justify="right")
    for bucket in buckets:
        table.add_row(bucket.name, _shown(bucket.lengths), str(bucket.batches), str(bucket.padded), f"{bucket.share:.1%}")
    return table


def _shown(lengths: Sequence[int]) -> str:
    few = lengths if len(lengths) <= 8 else (*lengths[:4], "…", *lengths[-3:])
    return " ".join(map(str, few))

"""A difference as one HTML page that needs nothing else: its pictures are in it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.backtest.difference import Difference, by_window, pairs_of
from pipeline.backtest.outcome import Outcome
from pipeline.records import Prediction

SHOWN = 25  # rows of a long table
INK, SOFT, A, B = "#222222", "#6b6b6b", "#0072B2", "#D55E00"
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT}
CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem }
h1 { font-size: 1.7rem; margin-bottom: .3rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; color: #6b6b6b; font-weight: 600 }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; overflow-wrap: break-word }
td.n, th.n { text-align: right; white-space: nowrap } div.table { overflow-x: auto }
p.verdict { font-size: 1.15rem } img { width: 100%; height: auto } .a { color: #0072B2 } .b { color: #D55E00 } .soft { color: #6b6b6b }
"""


def html_report(difference: Difference, a: Outcome, b: Outcome) -> str:
    """The page. `difference` is that of the two outcomes."""
    d = difference
    sides = [(side, it.name, it.model, str(it.predictions)) for side, it in (("a", d.a), ("b", d.b))]
    outputs = [
        (it.name, str(it.changed), *(f"{number:.6g}" for number in (it.mean, it.mean_absolute, it.rmse, it.largest_absolute)))
        for it in d.outputs
    ]
    parts = [
        "<h1>Predictions compared</h1>",
        f'<p class="verdict">{escape(verdict(d))}</p>',
        _table(("", "set", "model", "predictions"), sides, numbers=1),
        "<h2>Outputs</h2>",
        f'<p class="soft">b − a over the {d.compared} windows that both have; changed is more than {d.tolerance:g} × max(1, |a|).</p>',
        _table(("output", "changed", "mean", "mean absolute", "RMSE", "largest absolute"), outputs, numbers=5),
        *(f'<p><img alt="{escape(it.name)} of a and b" src="{_picture(it.name, a, b)}"></p>' for it in d.outputs),
        *_changes(d),
        *_missing(d),
        *_alerts(d),
    ]
    head = (
        f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>Predictions compared</title><style>{CSS}</style>"
    )
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def verdict(difference: Difference) -> str:
    """One sentence."""
    d = difference
    if d.is_empty:
        return f"No difference in {d.compared} windows."
    said = [f"{d.changed} of {d.compared} windows changed"]
    said += [f"{len(keys)} only in {side}" for side, keys in (("a", d.only_a), ("b", d.only_b)) if keys]
    if d.alerts is not None:
        said.append(f"{len(d.alerts)} alerts differ" if d.alerts else "all alerts are the same")
    return ", ".join(said) + "."


def moment(ms: int) -> str:
    """A time for a person, UTC."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "")
    except (ValueError, OverflowError):
        return f"{ms} ms"


def _changes(d: Difference) -> Iterable[str]:
    if d.changes:
        rows = [
            (
                it.device,
                moment(it.end),
                f"{it.window[:8]} {it.sequence}/{it.revision}",
                it.output,
                *(f"{x:.6g}" for x in (it.a, it.b, it.b - it.a)),
            )
            for it in d.changes[:SHOWN]
        ]
        yield f"<h2>Largest changes{_of(len(d.changes))}</h2>"
        yield _table(("device", "end of the window", "window, sequence/revision", "output", "a", "b", "b − a"), rows, numbers=3)


def _missing(d: Difference) -> Iterable[str]:
    for side, keys in (("a", d.only_a), ("b", d.only_b)):
        if keys:
            yield f"<h2>Windows that only {side} has{_of(len(keys))}</h2>"
            yield _table(("window", "sequence", "revision"), [(it[0], str(it[1]), str(it[2])) for it in keys[:SHOWN]], numbers=2)


def _alerts(d: Difference) -> Iterable[str]:
    if d.alerts is None:
        yield '<p class="soft">The alerts of one side are not known, so they are not compared.</p>'
    elif d.alerts:
        yield f"<h2>Alerts that only one has{_of(len(d.alerts))}</h2>"
        rows = [(it.side, it.device, it.rule, it.state, moment(it.time)) for it in d.alerts[:SHOWN]]
        yield _table(("", "device", "rule", "state", "time"), rows, numbers=0)


def _of(count: int) -> str:
    return f" ({SHOWN} of {count})" if count > SHOWN else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> str:
    """The last `numbers` columns are numbers."""
    kinds = ["" if place < len(head) - numbers else ' class="n"' for place in range(len(head))]
    titles = "".join(f"<th{kind}>{escape(title)}</th>" for kind, title in zip(kinds, head, strict=True))
    lines = ["".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table"><table><tr>{titles}</tr>{body}</table></div>'


def _picture(output: str, a: Outcome, b: Outcome) -> str:
    """Both sides against each other, how far they are apart, and the device that differs most over time; a PNG in a data URL."""
    left, right = pairs_of(by_window(a), by_window(b), output)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 7), dpi=110, layout="constrained")
        axes = figure.subplot_mosaic([["both", "apart"], ["time", "time"]])
        ends = [min(left.min(), right.min()), max(left.max(), right.max())]
        axes["both"].plot(ends, ends, color=SOFT, linewidth=1)
        axes["both"].plot(left, right, ".", color=A, markersize=3, alpha=0.5)
        axes["both"].set(xlabel=f"{output} of a", ylabel=f"{output} of b")
        difference = right - left
        spread = float(np.abs(difference).max()) or 1e-9
        axes["apart"].hist(difference, bins=60, range=(-spread, spread), color=B)
        axes["apart"].set(xlabel=f"{output}: b − a", ylabel="windows")
        _draw_over_time(axes["time"], output, a, b)
        file = io.BytesIO()
        figure.savefig(file, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _draw_over_time(axes: Axes, output: str, a: Outcome, b: Outcome) -> None:
    """Both sides of the device with the largest difference; each point is a window's end."""
    left, right = by_window(a), by_window(b)
    both = [
        (abs(right[key].outputs[output] - it.outputs[output]), it.device) for key, it in left.items() if _has(right.get(key), it, output)
    ]
    device = max(both)[1]
    for text, color, outcome in (("a", A, left), ("b", B, right)):
        points = sorted((it.window.end, it.outputs[output]) for it in outcome.values() if it.device == device and output in it.outputs)
        times = np.array([time for time, _ in points], "datetime64[ms]")
        axes.plot(times, [value for _, value in points], ".-", color=color, linewidth=1, markersize=4, label=text)
    axes.set(xlabel=f"end of the window, UTC: {device}, which differs most", ylabel=output)
    axes.legend(frameon=False, ncols=2)


def _has(other: Prediction | None, it: Prediction, output: str) -> bool:
    return other is not None and output in it.outputs and output in other.outputs

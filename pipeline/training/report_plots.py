"""The pictures of the training report: from numbers to PNG. Knows neither models nor windows."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pipeline.training.judged import Judged
from pipeline.training.metrics import errors_by_length
from pipeline.training.progress import Epoch
from pipeline.training.recipe import Task

# Colours by Okabe and Ito, told apart by the colour-blind too.
INK, SOFT, BLUE, GREEN, ORANGE = "#222222", "#767676", "#0072B2", "#009E73", "#D55E00"
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "legend.frameon": False,
}
_MOST_POINTS = 4_000


def as_png(draw: Callable[[Axes], None]) -> str:
    """The picture as a data URL."""
    # That it builds a cache of fonts, and where, is nothing for here.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 4.4), dpi=110, layout="constrained")
        draw(figure.add_subplot())
        content = io.BytesIO()
        figure.savefig(content, format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def draw_learning(axes: Axes, history: Sequence[Epoch], best_epoch: int) -> None:
    """Losses by epoch; the epoch whose weights were kept is marked."""
    numbers = [epoch.number for epoch in history]
    axes.plot(numbers, [epoch.loss for epoch in history], color=BLUE, marker="o", markersize=3, label="training devices")
    held_out = [(epoch.number, epoch.held_out_loss) for epoch in history if epoch.held_out_loss is not None]
    if held_out:
        axes.plot(*zip(*held_out, strict=True), color=ORANGE, marker="o", markersize=3, label="held-out devices")
    axes.axvline(best_epoch, color=SOFT, linestyle=":", label=f"kept: epoch {best_epoch}")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()


def draw_found(axes: Axes, judged: Judged, column: int) -> None:
    """Regression: predicted against true, and the line on which a perfect model's windows lie."""
    found, wanted = judged.found[:, column], judged.wanted[:, column]
    shown = np.random.default_rng(0).permutation(len(found))[:_MOST_POINTS]
    low, high = float(min(found.min(), wanted.min())), float(max(found.max(), wanted.max()))
    axes.plot([low, high], [low, high], color=SOFT, linewidth=1)
    axes.scatter(wanted[shown], found[shown], s=6, alpha=0.35, color=BLUE, linewidths=0)
    axes.set(xlabel=f"true {judged.outputs[column]}", ylabel=f"predicted {judged.outputs[column]}")


def draw_classes(axes: Axes, judged: Judged) -> None:
    """Classification: of the windows of each class, how many were given which."""
    classes = len(judged.outputs)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (judged.wanted.argmax(axis=1), judged.found.argmax(axis=1)), 1)
    axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1.4)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=INK)
    axes.set_xticks(range(classes), judged.outputs, rotation=20)
    axes.set_yticks(range(classes), judged.outputs)
    axes.set(xlabel="predicted", ylabel="true")


def draw_errors(axes: Axes, errors: NDArray[np.float32], threshold: float) -> None:
    """Forecast: how large the errors of the windows are, and the threshold beyond which one is out of the ordinary."""
    axes.hist(errors[np.isfinite(errors)], bins=60, color=BLUE)
    axes.axvline(threshold, color=ORANGE, label=f"threshold {threshold:.3g}")
    axes.set(xlabel="error of a window", ylabel="windows", yscale="log")
    axes.legend()


def draw_by_length(axes: Axes, judged: Judged) -> None:
    """The error by the number of steps of a window; the number of windows above each bar."""
    groups = errors_by_length(judged.errors, judged.lengths)
    if judged.task is Task.CLASSIFICATION:
        groups = [(shortest, longest, windows, error**2) for shortest, longest, windows, error in groups]  # of 0 and 1: the share of 1
    names = [f"{shortest}" if shortest == longest else f"{shortest}–{longest}" for shortest, longest, *_ in groups]
    bars = axes.bar(names, [error for *_, error in groups], color=GREEN)
    axes.bar_label(bars, [f"{windows:,}" for *_, windows, _ in groups], color=SOFT, fontsize=8, padding=2)
    axes.set(xlabel="steps of the window", ylabel=_error_name(judged))


def draw_by_share(axes: Axes, judged: Mapping[float, Judged]) -> None:
    """The error by the share of the readings that was left out."""
    names = ["as recorded" if share == 0 else f"{share:.0%} left out" for share in judged]
    bars = axes.bar(names, [of_copy.error for of_copy in judged.values()], color=GREEN)
    axes.bar_label(bars, fmt="%.3g", color=SOFT, fontsize=8, padding=2)
    axes.set(ylabel=_error_name(next(iter(judged.values()))))


def _error_name(judged: Judged) -> str:
    return "share of wrong answers" if judged.task is Task.CLASSIFICATION else "root mean square error"

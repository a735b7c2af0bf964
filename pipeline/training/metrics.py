"""How good a model is on held-out devices, as plain numbers for the contract. Knows no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.core.judging import f1_macro, mae, rmse

Floats = NDArray[np.float32]


def regression_metrics(found: Floats, wanted: Floats, training_mean: float) -> dict[str, float]:
    """Root mean squared and mean absolute error of one output, in its unit; and the former of always saying the training mean."""
    return {"rmse": rmse(found, wanted), "mae": mae(found, wanted), "rmse_of_mean": rmse(np.full_like(wanted, training_mean), wanted)}


def classification_metrics(found: Floats, wanted: Floats) -> dict[str, float]:
    """Of windows x classes: the share of right answers, F1 averaged over the classes, and the share of the most frequent class.

    A class that is neither there nor answered does not count in the average.
    """
    answers, classes = found.argmax(axis=1), wanted.argmax(axis=1)
    return {
        "accuracy": float((answers == classes).mean()),
        "f1_macro": f1_macro(answers, classes),
        "accuracy_of_most_frequent": float(wanted.mean(axis=0).max()),
    }


def forecast_metrics(found: Floats, wanted: Floats, training_mean: Floats, quantile: float) -> dict[str, float]:
    """How far the next step's scaled values (windows x sensors, NaN = unobserved) are from what was expected.

    `threshold`: the error of a window that so large a share of the windows stays below. Where these are of machines that work
    well, a window above it is out of the ordinary.
    """
    errors = forecast_errors(found, wanted)
    threshold = float(np.nanquantile(errors, quantile))
    of_mean = forecast_errors(np.broadcast_to(training_mean, wanted.shape), wanted)
    return {"rmse": _rms(errors), "rmse_of_mean": _rms(of_mean), "quantile": quantile, "threshold": threshold}


def forecast_errors(found: Floats, wanted: Floats) -> Floats:
    """Root mean square over the sensors that were observed: a number for each window, NaN where there was none."""
    there = np.isfinite(wanted)
    squares = np.where(there, np.square(found - np.where(there, wanted, 0)), 0).sum(axis=1)
    counts = there.sum(axis=1)
    errors: Floats = np.where(counts > 0, np.sqrt(squares / np.maximum(counts, 1)), np.nan).astype(np.float32)
    return errors


def errors_by_length(errors: Floats, lengths: NDArray[np.int64], groups: int = 8) -> list[tuple[int, int, int, float]]:
    """(shortest, longest, windows, root mean square error) of groups of about as many windows of like length each."""
    order = np.argsort(lengths, kind="stable")
    edges = np.unique(lengths[order[np.linspace(0, len(order) - 1, min(groups, len(order)) + 1).astype(int)]])
    upper = edges[1:] if len(edges) > 1 else edges
    group = np.searchsorted(upper, lengths)
    members = [np.flatnonzero(group == number) for number in range(len(upper))]
    return [(int(lengths[m].min()), int(lengths[m].max()), len(m), _rms(errors[m])) for m in members if len(m)]


def _rms(errors: Floats) -> float:
    return float(np.sqrt(np.nanmean(np.square(errors, dtype=np.float64))))

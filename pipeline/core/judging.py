"""How good answers are: errors of quantities, and of classes and alarms. Arrays in, numbers out; knows no model and no window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32] | NDArray[np.float64]
Truths = NDArray[np.bool_]


def rmse(found: Floats, wanted: Floats) -> float:
    """Root of the mean squared error, in the unit of the quantity."""
    return float(np.sqrt(np.mean(np.square(found - wanted, dtype=np.float64))))


def mae(found: Floats, wanted: Floats) -> float:
    """Mean of the absolute error, in the unit of the quantity."""
    return float(np.abs(found - wanted).mean(dtype=np.float64))


def phm_score(found: Floats, wanted: Floats) -> float:
    """Sum over predictions of remaining useful life; late ones cost more: Saxena et al., PHM 2008, equation 11.

    Made for some hundred cycles: of what is thousands too late it is infinite.

    >>> round(phm_score(np.array([10.0, 0.0]), np.array([0.0, 13.0])), 4)
    3.4366
    """
    late = np.subtract(found, wanted, dtype=np.float64)
    with np.errstate(over="ignore"):
        return float(np.sum(np.where(late < 0, np.expm1(-late / 13), np.expm1(late / 10))))


def f1(found: Truths, wanted: Truths) -> float | None:
    """Harmonic mean of precision and recall; None where there is nothing to find and nothing was found.

    >>> f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    total = int(found.sum() + wanted.sum())
    return 2 * int((found & wanted).sum()) / total if total else None


def f1_macro(found: NDArray[np.int64], wanted: NDArray[np.int64]) -> float:
    """F1 averaged over the classes; a class that is neither there nor answered does not count."""
    classes = np.union1d(found, wanted)
    return float(np.mean([f1(found == index, wanted == index) for index in classes]))


def auroc(scores: Floats, wanted: Truths) -> float | None:
    """The chance that a score of a true case is above one of a false case, ties half: Hanley and McNeil, 1982.

    None where there are only true or only false cases.

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    trues = int(wanted.sum())
    falses = len(wanted) - trues
    if not trues or not falses:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last_ranks = np.cumsum(counts)
    mean_ranks = (last_ranks - (counts - 1) / 2)[places]
    return float((mean_ranks[wanted].sum() - trues * (trues + 1) / 2) / (trues * falses))


def false_alarm_rate(found: Truths, wanted: Truths) -> float | None:
    """Share of the false cases for which there was an alarm; None without a false case."""
    return float(found[~wanted].mean()) if (~wanted).any() else None


def missed_alarm_rate(found: Truths, wanted: Truths) -> float | None:
    """Share of the true cases for which there was no alarm; None without a true case."""
    return float((~found[wanted]).mean()) if wanted.any() else None

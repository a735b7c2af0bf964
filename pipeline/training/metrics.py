"""How good a model is on held-out devices, as plain numbers for the contract. Knows no model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Epoch(NamedTuple):
    """What is known after an epoch; losses are of labels of unit size (regression), or cross entropies."""

    number: int  # from 1
    epochs: int  # at most
    loss: float
    held_out_loss: float

    def shown(self) -> str:
        """One line for a person."""
        return f"epoch {self.number} of {self.epochs}: loss {self.loss:.4f}, on held-out devices {self.held_out_loss:.4f}"


def regression_metrics(found: Floats, wanted: Floats, training_mean: float) -> dict[str, float]:
    """Root mean squared and mean absolute error of one output, in its unit; and the former of always saying the training mean."""
    return {"rmse": _rmse(found - wanted), "mae": float(np.abs(found - wanted).mean()), "rmse_of_mean": _rmse(training_mean - wanted)}


def classification_metrics(found: Floats, wanted: Floats) -> dict[str, float]:
    """Of windows x classes: the share of right answers, F1 averaged over the classes, and the share of the most frequent class.

    A class that is neither there nor answered does not count in the average.
    """
    answers, classes = found.argmax(axis=1), wanted.argmax(axis=1)
    scores = [f1(answers == index, classes == index) for index in range(wanted.shape[1])]
    return {
        "accuracy": float((answers == classes).mean()),
        "f1_macro": float(np.mean([score for score in scores if score is not None])),
        "accuracy_of_most_frequent": float(wanted.mean(axis=0).max()),
    }


def f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float | None:
    """Harmonic mean of precision and recall; None where there is nothing to find and nothing was found.

    >>> f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    total = int(found.sum() + wanted.sum())
    return 2 * int((found & wanted).sum()) / total if total else None


def _rmse(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))

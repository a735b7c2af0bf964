"""How much each window counts in the loss. Knows no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.training.recipe import Recipe, Task

Floats = NDArray[np.float32]


def window_weights(targets: Floats, recipe: Recipe) -> Floats:
    """By window; `targets`: windows x outputs, capped.

    A window whose label is the cap tells little: that the end is far, not how far. One that has no target tells nothing.
    """
    weights: Floats = np.where(np.isfinite(targets).any(axis=1), 1, 0).astype(np.float32)
    if recipe.cap is not None:
        weights[np.all(targets >= np.float32(recipe.cap), axis=1)] *= recipe.cap_weight
    if recipe.task is Task.CLASSIFICATION and recipe.balanced:
        windows = targets.sum(axis=0)
        weights *= (len(targets) / np.count_nonzero(windows) / np.maximum(windows, 1))[targets.argmax(axis=1)]
    return weights

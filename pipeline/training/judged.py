"""What a model said about held-out windows, beside what was right, and how good that is. Knows no model library and draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.scorer import Scorer
from pipeline.training.dataset import LabelledWindows
from pipeline.training.metrics import Floats, classification_metrics, forecast_errors, forecast_metrics, regression_metrics
from pipeline.training.recipe import Recipe, Task


@dataclass(frozen=True)
class Judged:
    """Held-out windows, in any order."""

    task: Task
    outputs: tuple[str, ...]
    found: Floats  # windows x outputs
    wanted: Floats  # windows x outputs, NaN = nothing to compare with
    lengths: NDArray[np.int64]  # windows: steps

    @property
    def errors(self) -> Floats:
        """One for each window: 1 for a wrong class, else the root mean square over the outputs."""
        if self.task is Task.CLASSIFICATION:
            wrong: Floats = (self.found.argmax(axis=1) != self.wanted.argmax(axis=1)).astype(np.float32)
            return wrong
        return forecast_errors(self.found, self.wanted)

    def metrics(self, recipe: Recipe, training_mean: Floats) -> dict[str, Any]:
        """Of the classes together, of the forecast as a whole, or of each output by name."""
        if self.task is Task.CLASSIFICATION:
            return classification_metrics(self.found, self.wanted)
        if self.task is Task.FORECAST:
            return forecast_metrics(self.found, self.wanted, training_mean, recipe.quantile)
        return {
            output: regression_metrics(self.found[:, column], self.wanted[:, column], float(training_mean[column]))
            for column, output in enumerate(self.outputs)
        }

    @property
    def error(self) -> float:
        """Of all windows together: the share of wrong answers, or the root mean square."""
        return float(np.nanmean(self.errors) if self.task is Task.CLASSIFICATION else np.sqrt(np.nanmean(np.square(self.errors))))


def judge(scorer: Scorer, held_out: LabelledWindows, task: Task) -> dict[float, Judged]:
    """What the scorer says of the recording as it is, under 0, and of each thinned copy, under the share that it lacks."""
    found = {}
    for number, share in enumerate((0.0, *held_out.thinned)):
        of_copy = held_out.copy(number)
        if of_copy.windows:
            lengths = np.array([window.length for window in of_copy.windows], np.int64)
            found[share] = Judged(task, of_copy.outputs, scorer.score(of_copy.windows).outputs, of_copy.targets, lengths)
    return found

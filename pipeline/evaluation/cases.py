"""Predictions and labels put together: the label of a prediction is that of its window's last step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError
from pipeline.records import Prediction, Window
from pipeline.training.labels import Key, LabelTable, last_step


class Counts(NamedTuple):
    """Where the windows of a recording went."""

    windows: int  # final ones, each once
    too_short: int
    refused: int  # by the scorer: on the rejected topic
    unlabelled: int


@dataclass(frozen=True)
class Cases:
    """What was predicted and what was true, one row a window, in the order in which the windows closed."""

    outputs: tuple[str, ...]
    steps: tuple[Key, ...]  # windows: device, and event time of the last step, ms
    lengths: NDArray[np.int64]  # windows: steps
    found: NDArray[np.float64]  # windows x outputs
    wanted: NDArray[np.float64]  # windows x outputs
    counts: Counts

    @property
    def devices(self) -> frozenset[str]:
        """Those that the windows are of."""
        return frozenset(device for device, _ in self.steps)

    def last_of_each_device(self) -> Cases:
        """Only the latest window of each device."""
        latest: dict[str, int] = {}
        for row, (device, time) in enumerate(self.steps):
            if device not in latest or time >= self.steps[latest[device]][1]:
                latest[device] = row
        return self.chosen(sorted(latest.values()))

    def chosen(self, rows: Sequence[int]) -> Cases:
        """Only these windows; the counts are still of all."""
        chosen = list(rows)
        steps = tuple(self.steps[row] for row in chosen)
        return Cases(self.outputs, steps, self.lengths[chosen], self.found[chosen], self.wanted[chosen], self.counts)


class _Closed(NamedTuple):
    """All that counts of a window that is final."""

    revision: int
    step: Key
    length: int
    too_short: bool


class Gathered:
    """What counts of windows and their predictions, taken one by one: of each some hundred bytes, whatever its length."""

    def __init__(self) -> None:
        self._closed: dict[str, _Closed] = {}
        self._scored: dict[tuple[str, int], dict[str, float]] = {}

    def add_window(self, window: Window) -> None:
        """Takes a publication of a window; of a final one the latest revision counts."""
        known = self._closed.get(window.id)
        if window.final and (known is None or window.revision >= known.revision):
            self._closed[window.id] = _Closed(window.revision, last_step(window), window.length, window.too_short)

    def add_prediction(self, prediction: Prediction) -> None:
        """Takes a prediction, before or after its window."""
        if prediction.window.final:
            self._scored[prediction.window.id, prediction.window.revision] = prediction.outputs

    def match(self, table: LabelTable, outputs: Sequence[str]) -> Cases:
        """The final predictions that have a label, each window once: its latest revision. Raises `ConfigurationError` where none has."""
        columns = _columns(table, outputs)
        taken: list[tuple[_Closed, list[float], list[float]]] = []
        too_short = refused = unlabelled = 0
        for identity, window in self._closed.items():
            prediction, row = self._scored.get((identity, window.revision)), table.rows.get(window.step)
            if window.too_short:
                too_short += 1
            elif prediction is None:
                refused += 1
            elif row is None:
                unlabelled += 1
            else:
                taken.append((window, [prediction[output] for output in outputs], _wanted(table, row, columns)))
        counts = Counts(len(self._closed), too_short, refused, unlabelled)
        if not taken:
            raise ConfigurationError(
                f"no prediction has a label: of {counts.windows} windows {too_short} are too short, {refused} were refused by the scorer, "
                f"and {unlabelled} have none at the time of their last step; the times must be equal to the millisecond"
            )
        return Cases(
            outputs=tuple(outputs),
            steps=tuple(window.step for window, _, _ in taken),
            lengths=np.array([window.length for window, _, _ in taken], np.int64),
            found=np.array([found for _, found, _ in taken], np.float64),
            wanted=np.array([wanted for _, _, wanted in taken], np.float64),
            counts=counts,
        )


def _columns(table: LabelTable, outputs: Sequence[str]) -> list[int | None]:
    """Where each output's label is; None for a class that no label has."""
    columns = [table.outputs.index(output) if output in table.outputs else None for output in outputs]
    if any(name not in outputs for name in table.outputs):
        raise ConfigurationError(f"the model gives {', '.join(outputs)}, the labels are of {', '.join(table.outputs)}")
    return columns


def _wanted(table: LabelTable, row: int, columns: Sequence[int | None]) -> list[float]:
    return [0.0 if column is None else float(table.targets[row, column]) for column in columns]

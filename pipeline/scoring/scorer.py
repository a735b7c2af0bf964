"""Windows in, scores out: features, padding, batches and the engine put together. Knows no topic and no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import Batch, BatchPolicy, cut_batches, order_by_length, restore_order
from pipeline.records import ModelIdentity, Window
from pipeline.scoring.contract import Contract
from pipeline.scoring.engine import Engine, Floats
from pipeline.scoring.incremental import Answers, IncrementalScorer
from pipeline.scoring.inputs import InputMaker, ModelInputs

_NOT_FINITE = "its score is not finite"


class Scores(NamedTuple):
    """Scores in the order of the windows."""

    outputs: Floats  # windows x outputs of the contract
    padded_to: NDArray[np.int64]
    errors: Mapping[int, str]  # by index of the window: why it has no score
    collisions: int  # real steps that equalled the padding value
    padded_cells: int  # steps computed, padding included
    real_cells: int  # steps that the model sees
    steps: Sequence[Floats] = ()  # of each window, steps that the model sees x step outputs of the contract; none if not asked for


class Scorer:
    """Scores windows with one model. The same scores come out whatever windows are given together."""

    def __init__(self, contract: Contract, engine: Engine, sha256: str, batching: BatchPolicy | None = None) -> None:
        self.contract = contract
        self.identity = ModelIdentity(contract.name, contract.version, sha256, engine.name)
        self.output_names = tuple(output.name for output in contract.outputs)
        self.step_output_names = tuple(output.name for output in contract.step_outputs)
        self._sensors = contract.sensor_names
        self._engine = engine
        self._inputs = InputMaker(contract, engine.signature)
        fixed_length = engine.signature.fixed_length
        batching = batching or engine.batching
        self._batching = replace(batching, lengths=(fixed_length,)) if fixed_length else batching
        self._threads = ThreadPoolExecutor(engine.threads, "scorer") if engine.threads > 1 else None
        self._incremental = self._incremental_scorer()

    def refusal(self, window: Window) -> str | None:
        """Why this window cannot be given to `score`; None where it can."""
        if not 1 <= window.length <= self.contract.max_length:
            return f"the window has {window.length} steps; the model takes 1 to {self.contract.max_length}"
        if window.sensors == self._sensors:
            return None
        missing = [name for name in self._sensors if name not in window.sensors]
        return f"the window lacks the model's sensors {', '.join(missing)}" if missing else None

    def score(self, windows: Sequence[Window], with_steps: bool = False) -> Scores:
        """Scores one or more windows with equal sensors, for each of which `refusal` is None.

        `with_steps`: also the outputs per step, if the model has any.
        """
        if self._incremental is None or not self._incremental.concerns(windows):
            return self._score_whole(windows, with_steps)
        growing = self._incremental.score(windows, self._for_each)
        if not growing.answers:
            return self._score_whole(windows, with_steps)
        whole = [windows[place] for place in growing.whole]
        return _merged(growing, self._score_whole(whole, with_steps) if whole else None, len(windows))

    def _incremental_scorer(self) -> IncrementalScorer | None:
        # Where the model sees only the last steps, a further step moves the first one too; what it says of each step is not kept.
        if self._engine.incremental is None or self.contract.last is not None or self.step_output_names:
            return None
        return IncrementalScorer(self._engine.incremental, self._engine.signature.inputs, self._inputs, self._batching)

    def _score_whole(self, windows: Sequence[Window], with_steps: bool) -> Scores:
        if len(windows) == 1:
            return self._score_inputs(self._inputs(windows), with_steps)
        order = order_by_length(np.array([window.length for window in windows], np.int64))
        ordered = self._score_inputs(self._inputs([windows[index] for index in order]), with_steps)
        return ordered._replace(
            outputs=restore_order(ordered.outputs, order),
            padded_to=restore_order(ordered.padded_to, order),
            errors=dict(sorted((int(order[index]), error) for index, error in ordered.errors.items())),
            steps=[ordered.steps[place] for place in np.argsort(order)] if ordered.steps else (),
        )

    def _score_inputs(self, inputs: ModelInputs, with_steps: bool) -> Scores:
        """Scores in the order of the inputs, which are of windows of ascending lengths."""
        lengths = inputs.lengths
        ends = lengths.cumsum()
        outputs = np.empty((len(lengths), len(self.output_names)), np.float32)
        padded_to = np.empty(len(lengths), np.int64)
        steps: list[Floats] = [np.empty(0, np.float32)] * len(lengths) if with_steps and self.step_output_names else []

        def score_batch(batch: Batch) -> None:
            begin, end, length = batch
            of_batch = lengths[begin:end]
            padded = inputs.padded(batch, ends, self._engine.signature.inputs)
            scored = self._engine.score(padded, of_batch, with_steps=bool(steps))
            outputs[begin:end] = scored.outputs
            padded_to[begin:end] = length
            if scored.step_outputs is not None:
                steps[begin:end] = [numbers[:real] for numbers, real in zip(scored.step_outputs, of_batch, strict=True)]

        batches = cut_batches(lengths, self._batching)
        self._for_each(score_batch, batches)
        # Predictions are JSON, which has no other numbers.
        unusable = [*inputs.refused, *(index for index, numbers in enumerate(steps) if not np.isfinite(numbers).all())]
        if unusable:
            outputs[unusable] = np.nan
        errors = {index: inputs.refused.get(index, _NOT_FINITE) for index in _not_finite(outputs)}
        padded_cells = sum((end - begin) * length for begin, end, length in batches)
        return Scores(outputs, padded_to, errors, inputs.collisions, padded_cells, int(ends[-1]), steps)

    def _for_each(self, score: Callable[[Batch], None], batches: list[Batch]) -> None:
        """Side by side where the engine can; the longest first, so that no thread is left with one at the end."""
        if self._threads is None or len(batches) == 1:
            for batch in batches:
                score(batch)
        else:
            list(self._threads.map(score, reversed(batches)))


def _merged(growing: Answers, whole: Scores | None, count: int) -> Scores:
    """Scores of all windows in their order."""
    width = len(growing.answers[0].outputs)
    outputs, padded_to = np.empty((count, width), np.float32), np.empty(count, np.int64)
    errors: dict[int, str] = {}
    if whole is not None:
        outputs[growing.whole], padded_to[growing.whole] = whole.outputs, whole.padded_to
        errors |= {growing.whole[place]: error for place, error in whole.errors.items()}
    for answer in growing.answers:
        outputs[answer.place], padded_to[answer.place] = answer.outputs, answer.padded_to
        if answer.refusal is not None or not np.isfinite(answer.outputs).all():
            errors[answer.place] = answer.refusal or _NOT_FINITE
    return Scores(
        outputs=outputs,
        padded_to=padded_to,
        errors=dict(sorted(errors.items())),
        collisions=growing.collisions + (whole.collisions if whole else 0),
        padded_cells=growing.padded_cells + (whole.padded_cells if whole else 0),
        real_cells=growing.real_cells + (whole.real_cells if whole else 0),
    )


def _not_finite(outputs: Floats) -> list[int]:
    finite = np.isfinite(outputs)
    # Counting is faster than `all` for the few numbers that there mostly are.
    if np.count_nonzero(finite) == finite.size:
        return []
    found: list[int] = np.flatnonzero(~finite.all(axis=1)).tolist()
    return found

"""Windows in, scores out: features, padding, batches and the engine put together. Knows no topic and no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import Batch, BatchPolicy, cut_batches, order_by_length, restore_order
from pipeline.core.features import Ragged, make_codes, make_inputs, ragged
from pipeline.core.padding import away_from_padding, pad
from pipeline.records import ModelIdentity, Window
from pipeline.scoring.contract import Contract
from pipeline.scoring.engine import Engine, Inputs

_NOT_FINITE = "its score is not finite"
_WRONG_CODE = "it has a value that is none of the codes the model knows"
_NO_CODE = "none of its steps has a code, so the model would see nothing"


@dataclass(frozen=True)
class Scores:
    """Scores in the order of the windows."""

    outputs: NDArray[np.float32]  # windows x outputs of the contract
    padded_to: NDArray[np.int64]
    errors: Mapping[int, str]  # by index of the window: why it has no score
    collisions: int  # real steps that equalled the padding value
    padded_cells: int  # steps computed, padding included
    real_cells: int


class Scorer:
    """Scores windows with one model. The same scores come out whatever windows are given together."""

    def __init__(self, contract: Contract, engine: Engine, sha256: str, batching: BatchPolicy | None = None) -> None:
        self.contract = contract
        self.identity = ModelIdentity(contract.name, contract.version, sha256, engine.name)
        self.output_names = tuple(output.name for output in contract.outputs)
        self._sensors = contract.sensor_names
        self._engine = engine
        self._features = contract.features()
        fixed_length = engine.signature.fixed_length
        batching = batching or engine.batching
        self._batching = replace(batching, lengths=(fixed_length,)) if fixed_length else batching
        self._threads = ThreadPoolExecutor(engine.threads, "scorer") if engine.threads > 1 else None

    def refusal(self, window: Window) -> str | None:
        """Why this window cannot be given to `score`; None where it can."""
        if not 1 <= window.length <= self.contract.max_length:
            return f"the window has {window.length} steps; the model takes 1 to {self.contract.max_length}"
        missing = [name for name in self._sensors if name not in window.sensors]
        return f"the window lacks the model's sensors {', '.join(missing)}" if missing else None

    def score(self, windows: Sequence[Window]) -> Scores:
        """Scores one or more windows with equal sensors, for each of which `refusal` is None."""
        order = order_by_length(np.array([window.length for window in windows], np.int64))
        steps = ragged([windows[index] for index in order], self._columns(windows))
        inputs, wrong, collisions = self._inputs(steps)
        ends = np.cumsum(steps.lengths)
        outputs = np.empty((len(windows), len(self.output_names)), np.float32)
        padded_to = np.empty(len(windows), np.int64)

        def score_batch(batch: Batch) -> None:
            begin, end, length = batch
            lengths = steps.lengths[begin:end]
            rows = inputs[ends[begin] - lengths[0] : ends[end - 1]]
            padded = pad(rows, lengths, length, self.contract.padding_value)
            outputs[begin:end] = self._engine.score(padded, lengths)
            padded_to[begin:end] = length

        self._for_each(score_batch, cut_batches(steps.lengths, self._batching))
        outputs[list(wrong)] = np.nan
        return Scores(
            outputs=restore_order(outputs, order),
            padded_to=restore_order(padded_to, order),
            errors=dict(sorted((int(order[index]), wrong.get(index, _NOT_FINITE)) for index in _not_finite(outputs))),
            collisions=collisions,
            padded_cells=int(padded_to.sum()),
            real_cells=len(steps.times),
        )

    def _for_each(self, score: Callable[[Batch], None], batches: list[Batch]) -> None:
        """Side by side where the engine can; the longest first, so that no thread is left with one at the end."""
        if self._threads is None or len(batches) == 1:
            for batch in batches:
                score(batch)
        else:
            list(self._threads.map(score, reversed(batches)))

    def _columns(self, windows: Sequence[Window]) -> list[int] | None:
        """Where the model's sensors are among the windows' sensors; None: they are the same."""
        given = windows[0].sensors
        return None if given == self._sensors else [given.index(name) for name in self._sensors]

    def _inputs(self, steps: Ragged) -> tuple[Inputs, dict[int, str], int]:
        """Rows of inputs, why windows have none that the model could take, and the number of collisions."""
        if self.contract.vocabulary is not None:
            codes, wrong = make_codes(steps, self.contract.fill, self.contract.vocabulary)
            # A code 0 is masked in the window alone too; there is no other code that means the same, to move it to.
            nothing = np.flatnonzero(np.add.reduceat(codes, np.cumsum(steps.lengths) - steps.lengths) == 0).tolist()
            reasons = dict.fromkeys(nothing, _NO_CODE) | dict.fromkeys(np.flatnonzero(wrong).tolist(), _WRONG_CODE)
            return codes, reasons, int((codes == 0).sum())
        rows, collisions = away_from_padding(make_inputs(steps, self._features), self.contract.padding_value)
        return rows, {}, collisions


def _not_finite(outputs: NDArray[np.float32]) -> list[int]:
    finite = np.isfinite(outputs)
    found: list[int] = [] if finite.all() else np.flatnonzero(~finite.all(axis=1)).tolist()
    return found

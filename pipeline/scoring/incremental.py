"""Scores windows while they grow: only the steps that the model has not seen yet are computed. Knows no topic and no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.core.batching import Batch, BatchPolicy, cut_batches
from pipeline.core.growing import Continuation, GrowingWindows
from pipeline.core.lookback import condensed
from pipeline.records import Window
from pipeline.scoring.engine import Floats, IncrementalEngine, ModelInput
from pipeline.scoring.inputs import InputMaker

MEMORY_BYTES = 128 * 1024 * 1024
"""For what is remembered of open windows: 10,000 of 256 steps of 8 sensors. One that was forgotten costs its whole length once."""

ForEach = Callable[[Callable[[Batch], None], list[Batch]], None]
"""Does some work for each batch, side by side where the engine can."""


class Answer(NamedTuple):
    """What is said about one window."""

    place: int  # of the window among the given ones
    outputs: Floats
    padded_to: int
    refusal: str | None  # why the window has no score


class Answers(NamedTuple):
    """What is said about the windows that grow."""

    answers: list[Answer]
    whole: list[int]  # indices of all others, which are to be scored as a whole
    collisions: int = 0
    padded_cells: int = 0  # steps computed, padding included
    real_cells: int = 0  # steps that the model had not seen yet


class _Stand(NamedTuple):
    """Where the model stands after further steps, and what it said after each of them."""

    outputs: Floats  # further steps x outputs
    state: Floats
    padded_to: int


class IncrementalScorer:
    """Goes on with each window where the model stood. What is remembered is bounded, and may be lost at any time."""

    def __init__(self, engine: IncrementalEngine, signature: Sequence[ModelInput], inputs: InputMaker, batching: BatchPolicy) -> None:
        self._engine = engine
        self._signature = signature
        self._inputs = inputs
        self._batching = batching
        self._growing = GrowingWindows(MEMORY_BYTES)

    def concerns(self, windows: Sequence[Window]) -> bool:
        """Whether any of the windows may grow or have grown."""
        return len(self._growing) > 0 or any(not window.final for window in windows)

    def score(self, windows: Sequence[Window], for_each: ForEach) -> Answers:
        """Scores those of the windows that grow."""
        continuations, whole = self._growing.plan(windows)
        answers = [answer for known in continuations if not known.further for answer in self._repeated(known)]
        ahead = sorted((continuation for continuation in continuations if continuation.further), key=lambda ahead: ahead.further)
        if not ahead:
            return Answers(answers, whole)
        looked_at = [continuation.looked_at for continuation in ahead]
        made = self._inputs(looked_at)
        rest = made.beyond(made.lengths - np.array([continuation.further for continuation in ahead], np.int64))
        ends = rest.lengths.cumsum()
        stands: dict[int, _Stand] = {}

        def advance(batch: Batch) -> None:
            lengths = rest.lengths[batch.begin : batch.end]
            inputs = rest.padded(batch, ends, self._signature)
            states = np.stack([self._state(continuation) for continuation in ahead[batch.begin : batch.end]])
            advanced = self._engine.advance(inputs, lengths, states)
            for place, length in enumerate(lengths.tolist()):
                stands[batch.begin + place] = _Stand(advanced.outputs[place, :length], advanced.states[place], batch.padded_to)

        batches = cut_batches(rest.lengths, self._batching)
        for_each(advance, batches)
        earlier = condensed(looked_at) if self._inputs.looks_back_little else [None] * len(ahead)
        for place, continuation in enumerate(ahead):
            answers += self._advanced(continuation, earlier[place], stands[place], rest.refused.get(place))
        cells = sum((end - begin) * length for begin, end, length in batches)
        return Answers(answers, whole, rest.collisions, cells, int(rest.lengths.sum()))

    def _state(self, continuation: Continuation) -> Floats:
        if continuation.standing is None:
            return np.zeros(self._engine.state_width, np.float32)
        return continuation.standing.state

    def _repeated(self, known: Continuation) -> list[Answer]:
        """All steps were seen before: the last answer is given again."""
        standing = known.standing
        if standing is None:
            return []
        self._growing.keep(known, standing.earlier, standing.state, standing.outputs)
        return [Answer(index, standing.outputs, steps, None) for index, steps in known.answers]

    def _advanced(self, continuation: Continuation, earlier: Window | None, stand: _Stand, refusal: str | None) -> list[Answer]:
        if refusal is None:
            self._growing.keep(continuation, earlier, stand.state, stand.outputs[-1])
        seen, standing = continuation.seen, continuation.standing
        return [
            Answer(
                index,
                standing.outputs if standing is not None and steps == seen else stand.outputs[steps - seen - 1],
                seen + stand.padded_to,
                refusal,
            )
            for index, steps in continuation.answers
        ]

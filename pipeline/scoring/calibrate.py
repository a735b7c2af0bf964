"""Which size of batch suits an engine on this machine, found by a short trial at the start. Knows no model library.

The smallest size is taken at which a row is about as cheap as it gets, as smaller batches are padded less. What a step costs
beside its rows is left as the engine says: a trial that short finds it only on a quiet machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.clock import Clock
from pipeline.core.batching import BatchPolicy
from pipeline.scoring.engine import Engine, Inputs, ModelInput

_SIZES = (8, 16, 32, 64, 128, 256)
_LEAST = 16  # rows: a trial on a busy machine may say anything, and smaller batches are never much better
_STEPS = 32
_ROUNDS = 10  # the best counts: a machine's other work only ever adds
_BUDGET_S = 0.15
_AS_GOOD = 1.05  # a row may cost so much more than at the best size


class Trial(NamedTuple):
    """How long a batch of `rows` windows took."""

    rows: int
    seconds: float


def calibrated(engine: Engine, clock: Clock) -> BatchPolicy:
    """The engine's own batching, with the size that was measured to be best. Takes about a sixth of a second."""
    return fitted(engine.batching, _trials(engine, clock))


def fitted(batching: BatchPolicy, trials: Sequence[Trial]) -> BatchPolicy:
    """The batching that the trials, of ascending sizes, speak for; fewer than two say nothing."""
    if len(trials) < 2:
        return batching
    cheapest = min(trial.seconds / trial.rows for trial in trials)
    good = [trial.rows for trial in trials if trial.rows >= _LEAST and trial.seconds / trial.rows <= _AS_GOOD * cheapest]
    return replace(batching, max_rows=min(good, default=trials[-1].rows))


def _trials(engine: Engine, clock: Clock) -> list[Trial]:
    steps = engine.signature.fixed_length or _STEPS
    sizes = [rows for rows in _SIZES if rows * steps <= engine.batching.max_cells]
    batches = [([_made_up(given, rows, steps) for given in engine.signature.inputs], np.full(rows, steps, np.int64)) for rows in sizes]
    begin = clock.monotonic_s()
    # Sizes take turns, so that a busy moment does not speak against one of them. The first call with a size may prepare it.
    rounds = [[_seconds(engine, *batch, clock) for batch in batches]]
    while len(rounds) <= _ROUNDS and clock.monotonic_s() - begin < _BUDGET_S:
        rounds.append([_seconds(engine, *batch, clock) for batch in batches])
    return [Trial(rows, min(seconds)) for rows, seconds in zip(sizes, zip(*rounds, strict=True), strict=True)]


def _seconds(engine: Engine, inputs: Sequence[Inputs], lengths: NDArray[np.int64], clock: Clock) -> float:
    begin = clock.monotonic_s()
    engine.score(inputs, lengths)
    return clock.monotonic_s() - begin


def _made_up(given: ModelInput, rows: int, steps: int) -> Inputs:
    random = np.random.default_rng(0)
    if given.vocabulary is not None:
        return random.integers(1, given.vocabulary, (rows, steps), np.int32)
    return random.normal(size=(rows, steps, given.features)).astype(np.float32)

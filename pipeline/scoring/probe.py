"""The proof, made at each start, that padding and batch mates do not change a model's scores. Knows no model library.

Made-up windows of different lengths are scored alone, padded to greater lengths, and in a batch with the others; where an
engine is told the lengths, with rubbish in the padding. What "the same" means is the promise that predictions carry:
|a - b| <= 1e-5 x max(1, |b|), with b the window alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.padding import away_from_padding, pad
from pipeline.errors import ModelRefused
from pipeline.scoring.engine import Engine, Floats, Inputs, ModelInput, ModelSignature

TOLERANCE = 1e-5

# Longer windows than this would only cost time at the start.
LONGEST = 512
_SPREADS = (1.0, 10.0)
_RUBBISH = 1e6


class Made(NamedTuple):
    """A window as the model gets it: an array for each of its inputs, steps x features, or steps of codes."""

    inputs: tuple[Inputs, ...]

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.inputs[0])


def same_scores(found: Floats, alone: Floats, allowed: Floats | float = 0.0) -> bool:
    """Whether scores agree within the tolerance, or within `allowed`; no score at all (NaN) agrees with itself."""
    with np.errstate(invalid="ignore"):
        near = np.abs(found - alone) <= np.maximum(TOLERANCE * np.maximum(1, np.abs(alone)), allowed)
    # An infinite score is near everything by that formula; it only agrees with itself.
    return bool(((near & np.isfinite(alone)) | (found == alone) | (np.isnan(found) & np.isnan(alone))).all())


def difference(found: Floats, alone: Floats) -> float:
    """The largest |a - b| / max(1, |b|)."""
    return float(np.max(np.abs(found - alone) / np.maximum(1, np.abs(alone))))


def prove_padding_invariance(engine: Engine, max_length: int) -> None:
    """Proves it for windows of up to `max_length` steps. Warms the engine on the way.

    Raises `ModelRefused` that says what changes the scores and what to do about it.
    """
    longest = min(max_length, LONGEST)
    padded_to = engine.signature.fixed_length or longest
    windows = made_up_windows(engine.signature, longest)
    alone = [score_alone(engine, window) for window in windows]
    if not any(np.isfinite(scores).all() for scores in alone):
        raise ModelRefused("the model gives no finite score for any made-up window; train it again")
    for window, expected in zip(windows, alone, strict=True):
        for length in _paddings(engine, window.length, padded_to):
            [found] = score_together(engine, [window], length)
            _require_same(engine, found, expected, f"is padded from {window.length} to {length} steps")
    for window, found, expected in zip(windows, score_together(engine, windows, padded_to), alone, strict=True):
        _require_same(engine, found, expected, f"of {window.length} steps is scored together with others")


def made_up_windows(signature: ModelSignature, longest: int, more: int = 0) -> list[Made]:
    """Windows with 1, a middle number of, and the most steps, of small and of large values, and `more` of any length.

    The same at each call.
    """
    random = np.random.default_rng(0)
    lengths = sorted({1, 2, (longest + 1) // 2, max(1, longest - 1), longest} & set(range(longest + 1)))
    lengths += random.integers(1, longest + 1, more).tolist()
    return [Made(tuple(_rows(given, random, length, spread) for given in signature.inputs)) for spread in _SPREADS for length in lengths]


def score_together(engine: Engine, windows: Sequence[Made], padded_to: int) -> list[Floats]:
    """All that the model says of each window, scored in one batch: its outputs, then the numbers of its real steps.

    What is beyond a window's end is rubbish where the engine takes any.
    """
    padded, lengths = padded_batch(engine.signature, windows, padded_to, rubbish=not engine.masks_by_value)
    outputs, step_outputs = engine.score(padded, lengths, with_steps=True)
    if step_outputs is None:
        return list(outputs)
    return [np.concatenate([row, steps[:length].ravel()]) for row, steps, length in zip(outputs, step_outputs, lengths, strict=True)]


def padded_batch(
    signature: ModelSignature, windows: Sequence[Made], padded_to: int, rubbish: bool
) -> tuple[list[Inputs], NDArray[np.int64]]:
    """The inputs of one batch, padded with the padding value or with rubbish, and the windows' lengths."""
    lengths = np.array([window.length for window in windows], np.int64)
    inputs = [
        pad(np.concatenate(rows), lengths, padded_to, _rubbish(given) if rubbish else given.padding_value)
        for given, rows in zip(signature.inputs, zip(*(window.inputs for window in windows), strict=True), strict=True)
    ]
    return inputs, lengths


def score_alone(engine: Engine, window: Made) -> Floats:
    """All that the model says of a window, unpadded where it can be. Raises `ModelRefused` with the likely cause."""
    try:
        [found] = score_together(engine, [window], engine.signature.fixed_length or window.length)
    except ModelRefused as failure:
        raise ModelRefused(f"a window of {window.length} steps: {failure}; {engine.explain_padding()}") from failure
    return found


def _rubbish(given: ModelInput) -> float:
    return _RUBBISH if given.vocabulary is None else given.vocabulary - 1


def _rows(given: ModelInput, random: np.random.Generator, length: int, spread: float) -> Inputs:
    if given.vocabulary is not None:
        return random.integers(1, max(given.vocabulary, 2), length, np.int32)
    rows = random.normal(0, spread, (length, given.features)).astype(np.float32)
    return away_from_padding(rows, given.padding_value)[0]


def _paddings(engine: Engine, length: int, longest: int) -> list[int]:
    if engine.signature.fixed_length is not None:
        return []
    return sorted({length + 1, 2 * length, longest, longest + 1} - set(range(length + 1)))


def _require_same(engine: Engine, found: Floats, alone: Floats, case: str) -> None:
    if not same_scores(found, alone):
        place = int(np.argmax(~(np.abs(found - alone) <= TOLERANCE * np.maximum(1, np.abs(alone)))))
        change = f"the model's score changes from {alone[place]:.6g} to {found[place]:.6g}"
        raise ModelRefused(f"{change} when a window {case}: {engine.explain_padding()}")

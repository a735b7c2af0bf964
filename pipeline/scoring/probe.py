"""The proof, made at each start, that padding and batch mates do not change a model's scores. Knows no model library.

Made-up windows of different lengths are scored alone, padded to greater lengths, and in a batch with the others; where an
engine is told the lengths, with rubbish in the padding. What "the same" means is the promise that predictions carry:
|a - b| <= 1e-5 x max(1, |b|), with b the window alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.padding import away_from_padding, pad
from pipeline.errors import ModelRefused
from pipeline.scoring.engine import Engine, Inputs, ModelSignature

TOLERANCE = 1e-5

# Longer windows than this would only cost time at the start.
LONGEST = 512
_SPREADS = (1.0, 10.0)
_RUBBISH = 1e6


@dataclass(frozen=True)
class Made:
    """A made-up window: `rows` is steps x features, or steps of codes."""

    rows: Inputs

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.rows)


def same_scores(found: NDArray[np.float32], alone: NDArray[np.float32]) -> bool:
    """Whether scores agree within the tolerance; no score at all (NaN) agrees with itself."""
    with np.errstate(invalid="ignore"):
        near = np.abs(found - alone) <= TOLERANCE * np.maximum(1, np.abs(alone))
    # An infinite score is near everything by that formula; it only agrees with itself.
    return bool(((near & np.isfinite(alone)) | (found == alone) | (np.isnan(found) & np.isnan(alone))).all())


def prove_padding_invariance(engine: Engine, max_length: int) -> None:
    """Raises `ModelRefused` that says what changes the scores and what to do about it. Warms the engine on the way."""
    longest = engine.signature.fixed_length or min(max_length, LONGEST)
    windows = made_up_windows(engine.signature, min(longest, max_length))
    alone = [_alone(engine, window) for window in windows]
    if not any(np.isfinite(scores).all() for scores in alone):
        raise ModelRefused("the model gives no finite score for any made-up window; train it again")
    for window, expected in zip(windows, alone, strict=True):
        for padded_to in _paddings(engine, window.length, longest):
            found = score_together(engine, [window], padded_to)
            _require_same(engine, found, expected, f"is padded from {window.length} to {padded_to} steps")
    together = score_together(engine, windows, longest)
    for window, found, expected in zip(windows, together, alone, strict=True):
        _require_same(engine, found[None], expected, f"of {window.length} steps is scored together with others")


def made_up_windows(signature: ModelSignature, longest: int, more: int = 0) -> list[Made]:
    """Windows with 1, a middle number of, and the most steps, of small and of large values, and `more` of any length.

    The same at each call.
    """
    random = np.random.default_rng(0)
    lengths = sorted({1, 2, (longest + 1) // 2, max(1, longest - 1), longest} & set(range(longest + 1)))
    lengths += random.integers(1, longest + 1, more).tolist()
    return [Made(_rows(signature, random, length, spread)) for spread in _SPREADS for length in lengths]


def score_together(engine: Engine, windows: Sequence[Made], padded_to: int) -> NDArray[np.float32]:
    """Windows x outputs, of one batch; what is beyond a window's end is rubbish where the engine takes any."""
    signature = engine.signature
    rows = np.concatenate([window.rows for window in windows])
    lengths = np.array([window.length for window in windows], np.int64)
    return engine.score(pad(rows, lengths, padded_to, signature.padding_value if engine.masks_by_value else _rubbish(signature)), lengths)


def _alone(engine: Engine, window: Made) -> NDArray[np.float32]:
    try:
        return score_together(engine, [window], engine.signature.fixed_length or window.length)
    except ModelRefused as failure:
        raise ModelRefused(f"a window of {window.length} steps: {failure}; {engine.explain_padding()}") from failure


def _rubbish(signature: ModelSignature) -> float:
    return (signature.vocabulary or 1) - 1 if signature.integer else _RUBBISH


def _rows(signature: ModelSignature, random: np.random.Generator, length: int, spread: float) -> Inputs:
    if signature.integer:
        return random.integers(1, signature.vocabulary or 2, length, np.int32)
    rows = random.normal(0, spread, (length, signature.features)).astype(np.float32)
    return away_from_padding(rows, signature.padding_value)[0]


def _paddings(engine: Engine, length: int, longest: int) -> list[int]:
    if engine.signature.fixed_length is not None:
        return []
    return sorted({length + 1, 2 * length, longest, longest + 1} - set(range(length + 1)))


def _require_same(engine: Engine, found: NDArray[np.float32], alone: NDArray[np.float32], case: str) -> None:
    if not same_scores(found, alone):
        change = f"the model's score changes from {alone.ravel()[0]:.6g} to {found.ravel()[0]:.6g}"
        raise ModelRefused(f"{change} when a window {case}: {engine.explain_padding()}")

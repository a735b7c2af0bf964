"""The proof, made at each start, that padding and batch mates do not change a model's scores. Knows no model library.

Made-up windows of different lengths are scored alone, padded to greater lengths, and in a batch with the others. What
"the same" means is the promise that predictions carry: |a - b| <= 1e-5 x max(1, |b|), with b the window alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.padding import away_from_padding, pad
from pipeline.errors import ModelRefused
from pipeline.scoring.engine import Engine, Inputs

TOLERANCE = 1e-5

# Longer windows than this would only cost time at the start.
_LONGEST = 512
_SPREADS = (1.0, 10.0)


@dataclass(frozen=True)
class _Made:
    rows: Inputs
    length: int


def same_scores(found: NDArray[np.float32], alone: NDArray[np.float32]) -> bool:
    """Whether scores agree within the tolerance; no score at all (NaN) agrees with itself."""
    with np.errstate(invalid="ignore"):
        near = np.abs(found - alone) <= TOLERANCE * np.maximum(1, np.abs(alone))
    # An infinite score is near everything by that formula; it only agrees with itself.
    return bool(((near & np.isfinite(alone)) | (found == alone) | (np.isnan(found) & np.isnan(alone))).all())


def prove_padding_invariance(engine: Engine, max_length: int) -> None:
    """Raises `ModelRefused` that says what changes the scores and what to do about it. Warms the engine on the way."""
    longest = engine.signature.fixed_length or min(max_length, _LONGEST)
    windows = _made_up(engine, min(longest, max_length))
    alone = [_score(engine, [window], engine.signature.fixed_length or window.length) for window in windows]
    if not any(np.isfinite(scores).all() for scores in alone):
        raise ModelRefused("the model gives no finite score for any made-up window; train it again")
    for window, expected in zip(windows, alone, strict=True):
        for padded_to in _paddings(engine, window.length, longest):
            _require_same(engine, _score(engine, [window], padded_to), expected, f"is padded from {window.length} to {padded_to} steps")
    together = _score(engine, windows, longest)
    for window, found, expected in zip(windows, together, alone, strict=True):
        _require_same(engine, found[None], expected, f"of {window.length} steps is scored together with others")


def _made_up(engine: Engine, longest: int) -> list[_Made]:
    """Windows with 1, a middle number of, and the most steps, of small and of large values; the same at each start."""
    random = np.random.default_rng(0)
    return [
        _Made(_rows(engine, random, length, spread), length)
        for spread in _SPREADS
        for length in sorted({1, 2, (longest + 1) // 2, max(1, longest - 1), longest})
        if length <= longest
    ]


def _rows(engine: Engine, random: np.random.Generator, length: int, spread: float) -> Inputs:
    signature = engine.signature
    if signature.integer:
        return random.integers(1, signature.vocabulary or 2, length, np.int32)
    rows = random.normal(0, spread, (length, signature.features)).astype(np.float32)
    return away_from_padding(rows, signature.padding_value)[0]


def _paddings(engine: Engine, length: int, longest: int) -> list[int]:
    if engine.signature.fixed_length is not None:
        return []
    return sorted({length + 1, 2 * length, longest, longest + 1} - set(range(length + 1)))


def _score(engine: Engine, windows: list[_Made], padded_to: int) -> NDArray[np.float32]:
    rows = np.concatenate([window.rows for window in windows])
    lengths = np.array([window.length for window in windows], np.int64)
    return engine.score(pad(rows, lengths, padded_to, engine.signature.padding_value), lengths)


def _require_same(engine: Engine, found: NDArray[np.float32], alone: NDArray[np.float32], case: str) -> None:
    if not same_scores(found, alone):
        change = f"the model's score changes from {alone.ravel()[0]:.6g} to {found.ravel()[0]:.6g}"
        raise ModelRefused(f"{change} when a window {case}: {engine.explain_padding()}")

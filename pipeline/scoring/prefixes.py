"""The proof that a model for growing windows gives, after each step, what its model gives for the steps so far alone.

Made-up windows are cut in pieces of random lengths, and gone over piece by piece in ragged batches. Knows no model library.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ModelRefused
from pipeline.scoring.contract import ONNX_GROWING_FILE
from pipeline.scoring.engine import Engine, Floats, IncrementalEngine, ModelSignature
from pipeline.scoring.probe import TOLERANCE, Made, difference, made_up_windows, padded_batch, same_scores, score_together

_EACH_UP_TO = 16  # steps: of the others only those are compared at which a window ends, as each is a call of the reference
_LONGEST = 256
_PIECES = 5  # about so many pieces a window


def prove_prefixes(engine: Engine, incremental: IncrementalEngine, longest: int) -> None:
    """Raises `ModelRefused` where scores of growing windows differ from those of the whole windows by more than the tolerance."""
    largest = difference_at_prefixes(engine, incremental, longest)
    if largest > TOLERANCE:
        raise ModelRefused(
            f"scores of growing windows differ by {largest:.1g} from those of whole ones: {ONNX_GROWING_FILE} does not do what the "
            "model does; make the bundle again"
        )


def difference_at_prefixes(reference: Engine, incremental: IncrementalEngine, longest: int) -> float:
    """The largest |a - b| / max(1, |b|), with b the reference's score of the steps so far, in windows of up to `longest` steps.

    Infinite where one of the two is no number and the other is.
    """
    windows = made_up_windows(reference.signature, min(longest, _LONGEST))
    largest = 0.0
    after_each_step = advance_in_pieces(incremental, reference.signature, windows)
    for length in {*range(1, min(longest, _EACH_UP_TO) + 1), *(window.length for window in windows)}:
        reached = [place for place, window in enumerate(windows) if window.length >= length]
        found = np.array([after_each_step[place][length - 1] for place in reached])
        alone = _scores(reference, [prefix(windows[place], length) for place in reached])
        if not np.isfinite(alone).all() or not np.isfinite(found).all():
            largest = max(largest, 0.0 if same_scores(found, alone) else np.inf)
        else:
            largest = max(largest, difference(found, alone))
    return largest


def _scores(reference: Engine, windows: Sequence[Made]) -> Floats:
    """Of windows of the same length, so without padding where there need not be any: windows x outputs."""
    length = reference.signature.fixed_length or windows[0].length
    return np.array(score_together(reference, windows, length))[:, : len(reference.signature.outputs)]


def advance_in_pieces(incremental: IncrementalEngine, signature: ModelSignature, windows: Sequence[Made]) -> list[Floats]:
    """The scores after each step of each window, steps x outputs; each call goes on with some of the windows, by pieces of any length."""
    random = np.random.default_rng(0)
    states = np.zeros((len(windows), incremental.state_width), np.float32)
    begun = np.zeros(len(windows), np.int64)
    ends = np.array([window.length for window in windows], np.int64)
    found: list[list[Floats]] = [[] for _ in windows]
    while (begun < ends).any():
        chosen = np.flatnonzero((begun < ends) & (random.random(len(windows)) < 0.8)).tolist()
        if not chosen:
            continue
        upto = np.minimum(ends[chosen], begun[chosen] + random.integers(1, 2 + ends[chosen] // _PIECES))
        pieces = [_cut(windows[place], begun[place], end) for place, end in zip(chosen, upto, strict=True)]
        inputs, lengths = padded_batch(signature, pieces, int((upto - begun[chosen]).max()) + 1, rubbish=True)
        outputs, states[chosen] = incremental.advance(inputs, lengths, states[chosen])
        for place, scores, length in zip(chosen, outputs, lengths, strict=True):
            found[place].append(scores[:length])
        begun[chosen] = upto
    return [np.concatenate(pieces) for pieces in found]


def prefix(window: Made, length: int) -> Made:
    """The first steps of a window."""
    return _cut(window, 0, length)


def _cut(window: Made, begin: int, end: int) -> Made:
    return Made(tuple(steps[begin:end] for steps in window.inputs))

"""The golden windows of a bundle: some recorded ones, and what Keras says of each alone. Whatever engine scores is held to them.

Made-up windows (`pipeline.scoring.probe`) show that padding and batch mates change nothing; recorded ones that the engine, on
this machine, says what the model said where it was made. On them a last layer may cancel terms a hundred times as large as
its result, and float32 rounds by the size of the terms. That is what the scores of an output range over, so they agree within
1e-5 x max(1, |score|), or within 1e-6 x the output's largest golden score, which is eight roundings of that size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import GOLDEN_FILE, Contract
from pipeline.scoring.engine import Engine, Floats
from pipeline.scoring.inputs import InputMaker
from pipeline.scoring.probe import Made, difference, same_scores, score_alone, score_together
from pipeline.wire.windows import decode_window, encode_window

COUNT = 16
_ROUNDINGS = np.float32(1e-6)  # of an output's largest score


class Golden(msgspec.Struct, frozen=True):
    """`golden.msgpack`: windows as on the wire, and all that Keras says of each alone: its outputs, then those of each step."""

    windows: tuple[bytes, ...]
    scores: tuple[tuple[float, ...], ...]


def add_golden(contract: Contract, keras_engine: Engine, windows: Iterable[Window], folder: Path) -> dict[str, Path]:
    """The file that golden windows, chosen from recorded ones, add to a bundle; written into the folder.

    There is none where no window can be scored. Raises `ModelRefused` where padding or company change the scores of the windows.
    """
    chosen, made = _scorable(contract, keras_engine, choose(window for window in windows if not window.too_short))
    scores = [score_alone(keras_engine, window) for window in made]
    finite = [index for index, row in enumerate(scores) if np.isfinite(row).all()]
    if not finite:
        return {}
    golden = Golden(tuple(encode_window(chosen[index]) for index in finite), tuple(tuple(scores[index].tolist()) for index in finite))
    _prove(keras_engine, golden, [made[index] for index in finite])
    (folder / GOLDEN_FILE).write_bytes(msgspec.msgpack.encode(golden))
    return {GOLDEN_FILE: folder / GOLDEN_FILE}


def prove_golden(bundle: Bundle, engine: Engine) -> float | None:
    """The largest difference from the stored scores, |a - b| / max(1, |b|); None for a bundle without golden windows.

    Raises `ModelRefused` where the engine says something else than Keras did, or something else of the windows together.
    """
    if bundle.golden_file is None:
        return None
    try:
        golden = msgspec.msgpack.decode(bundle.golden_file.read_bytes(), type=Golden)
        windows = [decode_window(data) for data in golden.windows]
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{bundle.golden_file}: {error}; make the bundle again") from None
    return _prove(engine, golden, _scorable(bundle.contract, engine, windows)[1])


def choose(windows: Iterable[Window], count: int = COUNT) -> list[Window]:
    """The shortest, the longest and some others, in the order of length; the same for the same windows. Needs memory for those only."""
    random = np.random.default_rng(0)
    sample: list[Window] = []
    shortest = longest = None
    for seen, window in enumerate(windows):
        shortest = window if shortest is None or window.length < shortest.length else shortest
        longest = window if longest is None or window.length > longest.length else longest
        place = seen if seen < count - 2 else int(random.integers(seen + 1))
        if place < count - 2:
            sample[place : place + 1] = [window]
    kept = {(window.id, window.sequence, window.revision): window for window in (*sample, shortest, longest) if window is not None}
    return sorted(kept.values(), key=lambda window: window.length)


def _scorable(contract: Contract, engine: Engine, windows: Sequence[Window]) -> tuple[list[Window], list[Made]]:
    """Those of the windows that the model takes, and what it sees of them."""
    if not windows:
        return [], []
    inputs = InputMaker(contract, engine.signature)(windows)
    cuts = np.cumsum(inputs.lengths)[:-1]
    made = [Made(parts) for parts in zip(*(np.split(rows, cuts) for rows in inputs.rows), strict=True)]
    taken = [index for index in range(len(windows)) if index not in inputs.refused]
    return [windows[index] for index in taken], [made[index] for index in taken]


def _prove(engine: Engine, golden: Golden, made: Sequence[Made]) -> float:
    stored = [np.array(scores, np.float32) for scores in golden.scores]
    alone = [score_alone(engine, window) for window in made]
    if not made or [len(scores) for scores in stored] != [len(scores) for scores in alone]:
        raise ModelRefused("the golden windows are not those of this model; make the bundle again")
    longest = max(window.length for window in made)
    together = score_together(engine, made, engine.signature.fixed_length or longest + 1)
    sizes = _sizes(engine, stored)
    for window, one, company, keras, size in zip(made, alone, together, stored, sizes, strict=True):
        # An engine that is told the lengths adds the same numbers in the same order.
        if not same_scores(company, one, size if engine.masks_by_value else 0.0):
            cause = engine.explain_padding()
            raise ModelRefused(f"the score of a recorded window of {window.length} steps changes in company of others: {cause}")
        if not same_scores(company, keras, size):
            largest = difference(company, keras)
            raise ModelRefused(
                f"the engine {engine.name} scores a recorded window of {window.length} steps otherwise than Keras did when the bundle was "
                f'made, by {largest:.1g}; make the bundle again, or set [model] engine = "keras"'
            )
    return max(difference(company, keras) for company, keras in zip(together, stored, strict=True))


def _sizes(engine: Engine, stored: Sequence[Floats]) -> list[Floats]:
    """What `_ROUNDINGS` makes of the largest number of each output, for each number of each window."""
    outputs, columns = len(engine.signature.outputs), max(1, len(engine.signature.step_outputs))
    rows = np.abs(np.stack([scores[:outputs] for scores in stored])).max(axis=0)
    steps = np.abs(np.concatenate([scores[outputs:].reshape(-1, columns) for scores in stored])).max(axis=0, initial=0)
    return [_ROUNDINGS * np.concatenate([rows, np.tile(steps, (len(scores) - outputs) // columns)]) for scores in stored]

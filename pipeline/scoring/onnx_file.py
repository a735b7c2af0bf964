"""The translation of a model, made once and proven against Keras, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelRefused
from pipeline.scoring.contract import ONNX_FILE, Contract
from pipeline.scoring.keras_engine import KerasEngine
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import LONGEST, TOLERANCE, made_up_windows, same_scores, score_together
from pipeline.scoring.translate.model import translate
from pipeline.scoring.translate.values import Untranslatable

_RAGGED = 11  # windows of any length, of each size of values


class Translation(NamedTuple):
    """What came of translating a model."""

    content: bytes | None  # of `model.onnx`; None: the model can only be run on Keras
    keras_only: str | None  # why so, as half a sentence
    difference: float  # the largest from Keras, |a - b| / max(1, |b|)


def add_onnx(contract: Contract, keras_engine: KerasEngine, folder: Path) -> tuple[Contract, dict[str, Path]]:
    """The contract and the files, written into the folder, that the translation adds to a bundle."""
    translation = translated(keras_engine, contract.max_length)
    if translation.content is None:
        return msgspec.structs.replace(contract, keras_only=translation.keras_only), {}
    (folder / ONNX_FILE).write_bytes(translation.content)
    return contract, {ONNX_FILE: folder / ONNX_FILE}


def translated(keras_engine: KerasEngine, max_length: int) -> Translation:
    """The translation, if ragged batches with rubbish in the padding score as Keras scores each window alone, unpadded."""
    try:
        content = translate(keras_engine.model, keras_engine.signature)
        found, alone = _scores(keras_engine, OnnxEngine(content), max_length)
    except (Untranslatable, ModelRefused) as reason:
        return Translation(None, str(reason), 0)
    difference = float(np.max(np.abs(found - alone) / np.maximum(1, np.abs(alone))))
    if not same_scores(found, alone):
        return Translation(None, f"its translation scores differently by {difference:.1g}, more than {TOLERANCE:g}", difference)
    return Translation(content, None, difference)


def _scores(keras_engine: KerasEngine, onnx_engine: OnnxEngine, max_length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    fixed_length = keras_engine.signature.fixed_length
    longest = min(fixed_length or max_length, max_length, LONGEST)
    windows = made_up_windows(keras_engine.signature, longest, more=_RAGGED)
    alone = [score_together(keras_engine, [window], fixed_length or window.length) for window in windows]
    return score_together(onnx_engine, windows, longest + 1), np.concatenate(alone)

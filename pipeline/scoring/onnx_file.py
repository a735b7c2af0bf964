"""The translation of a model, made once and proven against Keras, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from pipeline.errors import ModelRefused
from pipeline.scoring.contract import ONNX_FILE, Contract
from pipeline.scoring.keras_engine import KerasEngine
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import LONGEST, TOLERANCE, made_up_windows, same_scores, score_together
from pipeline.scoring.translate.model import translate
from pipeline.scoring.translate.values import Untranslatable

_RAGGED = 11  # windows of any length, of each size of values


def write_onnx(keras_engine: KerasEngine, folder: Path, max_length: int) -> str | None:
    """Writes `model.onnx` into the folder; or says, as half a sentence, why the model can only be run on Keras."""
    try:
        content = translate(keras_engine.model, keras_engine.signature)
        difference = _difference(keras_engine, OnnxEngine(content), max_length)
    except (Untranslatable, ModelRefused) as reason:
        return str(reason)
    if difference is not None:
        return difference
    (folder / ONNX_FILE).write_bytes(content)
    return None


def add_onnx(contract: Contract, keras_engine: KerasEngine, folder: Path) -> tuple[Contract, dict[str, Path]]:
    """The contract and the files, written into the folder, that the translation adds to a bundle."""
    reason = write_onnx(keras_engine, folder, contract.max_length)
    return msgspec.structs.replace(contract, keras_only=reason), {ONNX_FILE: folder / ONNX_FILE} if reason is None else {}


def _difference(keras_engine: KerasEngine, onnx_engine: OnnxEngine, max_length: int) -> str | None:
    """How the translation, on ragged batches with rubbish in the padding, differs from Keras on each window alone; None: it does not."""
    fixed_length = keras_engine.signature.fixed_length
    longest = min(fixed_length or max_length, max_length, LONGEST)
    windows = made_up_windows(keras_engine.signature, longest, more=_RAGGED)
    alone = np.concatenate([score_together(keras_engine, [window], fixed_length or window.length) for window in windows])
    together = score_together(onnx_engine, windows, longest + 1)
    for window, found, expected in zip(windows, together, alone, strict=True):
        if not same_scores(found, expected):
            far = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
            return f"its translation scores a window of {window.length} steps by {far:.1g} differently, more than {TOLERANCE:g}"
    return None

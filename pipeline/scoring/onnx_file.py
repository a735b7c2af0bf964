"""What of a model can be run without Keras: made once and proven against Keras, or the reason why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from pipeline.errors import ModelRefused
from pipeline.scoring.contract import ONNX_FILE, ONNX_GROWING_FILE, Contract
from pipeline.scoring.engine import EXPORTED, Engine
from pipeline.scoring.keras_engine import KerasEngine
from pipeline.scoring.keras_export import Unexportable, exported
from pipeline.scoring.onnx_engine import OnnxEngine, OnnxIncrementalEngine
from pipeline.scoring.prefixes import difference_at_prefixes
from pipeline.scoring.probe import LONGEST, TOLERANCE, difference, made_up_windows, same_scores, score_alone, score_together
from pipeline.scoring.translate.model import translate, translate_growing
from pipeline.scoring.translate.values import Untranslatable

_RAGGED = 11  # windows of any length, of each size of values


class Translation(NamedTuple):
    """What came of translating a model."""

    content: bytes | None  # of `model.onnx`; None: the model can only be run on Keras
    untranslated: str | None = None  # why the content is Keras's own export, or there is none, as half a sentence
    difference: float = 0.0  # the largest from Keras, |a - b| / max(1, |b|)
    growing: bytes | None = None  # of `model.growing.onnx`; None: each score needs the whole window
    needs_whole: str | None = None  # why so, as half a sentence

    @property
    def engine(self) -> str:
        """The name of the engine that runs the model."""
        if self.content is None:
            return "keras"
        return "onnx" if self.untranslated is None else EXPORTED


class _Unproven(Exception):
    """Why what was made of a model is of no use, as half a sentence."""


def add_onnx(contract: Contract, keras_engine: KerasEngine, folder: Path) -> tuple[Contract, dict[str, Path]]:
    """The contract and the files, written into the folder, that the translation adds to a bundle."""
    translation = translated(keras_engine, contract.longest)
    files = {}
    for name, content in ((ONNX_FILE, translation.content), (ONNX_GROWING_FILE, translation.growing)):
        if content is not None:
            files[name] = folder / name
            files[name].write_bytes(content)
    return msgspec.structs.replace(contract, untranslated=translation.untranslated), files


def translated(keras_engine: KerasEngine, longest: int) -> Translation:
    """The translation, else Keras's own export, of a model for windows of up to `longest` steps.

    Each only if it scores ragged batches, with rubbish in the padding where it is told the lengths, as Keras scores each window
    alone, unpadded.
    """
    try:
        content = translate(keras_engine.model, keras_engine.signature)
        largest = _proven(keras_engine, OnnxEngine(content), longest, "its translation")
    except (Untranslatable, ModelRefused, _Unproven) as reason:
        return _exported(keras_engine, longest, str(reason))
    try:
        return Translation(content, None, largest, _growing(keras_engine, longest))
    except (Untranslatable, ModelRefused, _Unproven) as reason:
        return Translation(content, None, largest, None, str(reason))


def _exported(keras_engine: KerasEngine, longest: int, untranslated: str) -> Translation:
    try:
        content = exported(keras_engine)
        largest = _proven(keras_engine, OnnxEngine(content), longest, "Keras's export of it")
    except (Unexportable, ModelRefused, _Unproven) as reason:
        return Translation(None, f"{untranslated}, and {reason}", needs_whole=untranslated)
    return Translation(content, untranslated, largest, needs_whole=untranslated)


def _growing(keras_engine: KerasEngine, longest: int) -> bytes:
    content = translate_growing(keras_engine.model, keras_engine.signature)
    if difference_at_prefixes(keras_engine, OnnxIncrementalEngine(content), longest) > TOLERANCE:
        raise _Unproven("its scores step by step differ from those of the steps so far alone")
    return content


def _proven(keras_engine: KerasEngine, engine: Engine, longest: int, what: str) -> float:
    """The largest difference from Keras on each window alone."""
    fixed_length = keras_engine.signature.fixed_length
    longest = min(fixed_length or longest, longest, LONGEST)
    windows = made_up_windows(keras_engine.signature, longest, more=_RAGGED)
    alone = np.concatenate([score_alone(keras_engine, window) for window in windows])
    found = np.concatenate(score_together(engine, windows, engine.signature.fixed_length or longest + 1))
    largest = difference(found, alone)
    if not same_scores(found, alone):
        raise _Unproven(f"{what} scores differently by {largest:.1g}, more than {TOLERANCE:g}")
    return largest

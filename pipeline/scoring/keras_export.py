"""Keras's own export of a model to ONNX, for models that have no translation: it masks by value, as the model does."""

from __future__ import annotations

import warnings
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from pipeline.scoring.engine import MASKING_KEY, SIGNATURE_KEY
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.keras_signature import is_step_output
from pipeline.scoring.quiet import quiet_stderr
from pipeline.scoring.translate.graph import with_metadata


class Unexportable(Exception):
    """Keras cannot export the model; it can still be run on Keras."""


def exported(engine: KerasEngine) -> bytes:
    """The model as ONNX: from its inputs to scores, and to numbers for each step where it has any. Raises `Unexportable`."""
    try:
        with TemporaryDirectory(prefix="sensorline-export-") as folder, quiet_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = Path(folder) / "model.onnx"
            model = _joined(engine.model)
            # A model that was never called is not exported.
            model([keras.ops.ones([1, tensor.shape[1] or 1, *tensor.shape[2:]], tensor.dtype) for tensor in model.inputs])
            model.export(file, format="onnx", verbose=False)
            return with_metadata(file.read_bytes(), {SIGNATURE_KEY: msgspec.json.encode(engine.signature).decode(), MASKING_KEY: "value"})
    except Exception as error:
        # Whatever its layers do may fail in as many ways.
        raise Unexportable(f"Keras cannot export it either: {type(error).__name__} {error}".splitlines()[0][:300]) from error


def _joined(model: Any) -> Any:
    """The model with one output of scores and, where it has any, one of numbers for each step."""
    whole = [_reshaped(output, (prod(output.shape[1:]),)) for output in model.outputs if not is_step_output(model, output)]
    steps = [_reshaped(output, (-1, prod(output.shape[2:]))) for output in model.outputs if is_step_output(model, output)]
    return keras.Model(model.inputs, [keras.ops.concatenate(outputs, axis=-1) for outputs in (whole, steps) if outputs])


def _reshaped(output: Any, shape: tuple[int, ...]) -> Any:
    return keras.ops.cast(keras.layers.Reshape(shape)(output), "float32")

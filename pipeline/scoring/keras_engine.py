"""The only module that runs Keras: loads a model, reads its signature, scores padded batches. Import it only where a model is run.

A model is traced once, for any number of windows and steps. Rejected: one trace per bucket of lengths; it was no faster
(13.9 against 14.1 ms for 256 windows x 64 steps, LSTM(64)), each trace cost 0.1 s, and lengths had to be rounded up to buckets.
XLA was 20 % faster, but compiles 0.5 s for each shape. `model.predict` costs 50 ms per call.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.cpus import available_cpus
from pipeline.scoring.engine import Inputs, ModelSignature
from pipeline.scoring.masks import lost_mask, unusable_softmax
from pipeline.scoring.quiet import quiet_stderr

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
with quiet_stderr():
    import keras  # type: ignore[import-untyped]
    import tensorflow as tf  # type: ignore[import-untyped]

# Whoever trains takes keras from here, so that the settings above hold in every process.
__all__ = ["KerasEngine", "keras", "tf"]

_SAYS_NOTHING = ("Graph execution error", "Detected at node", "Exception encountered when calling", "File ")
_STEPS = 16  # of the window on which a lost mask is looked for
_RANKS = "a model takes (batch, time, features), or (batch, time) of codes into an Embedding(mask_zero=True)"


class KerasEngine:
    """Implements `pipeline.scoring.engine.Engine`. Raises `ModelRefused` for a file that is no model we can score with."""

    name = "keras"
    batching = BatchPolicy()
    threads = 1  # Keras uses all processors for one batch
    masks_by_value = True

    def __init__(self, model_file: Path) -> None:
        _use_available_cpus()
        with _refusing(f"cannot load {model_file}"), warnings.catch_warnings():
            # A layer that drops the mask warns at each load; it is `explain_padding` that says so, where it matters.
            warnings.simplefilter("ignore")
            self._model = keras.saving.load_model(model_file, compile=False)
            self.signature = _signature(self._model)
            self._scored = self._trace()

    def score(self, inputs: Inputs, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        with _refusing("the model failed on a batch"):
            scores: NDArray[np.float32] = self._scored(tf.constant(inputs, self._input.dtype)).numpy()
        return scores

    def explain_padding(self) -> str:
        lost = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, steps, *features = self._input.shape
            with suppress(Exception):  # the model may fail on any window
                lost = lost_mask(self._model, tf.ones([2, steps or _STEPS, *features], self._input.dtype))
        if lost is not None:
            return lost
        before = _before_mask(self._model)
        if before is not None:
            return (
                f"its layer {before.name} ({type(before).__name__}) comes before the mask and changes the padding value; put Masking first"
            )
        return "a layer mixes steps, or windows, without regard to the mask; make every layer up to the last LSTM respect it"

    @property
    def model(self) -> Any:
        """The Keras model, for its translation."""
        return self._model

    @property
    def _input(self) -> Any:
        return self._model.inputs[0]

    def _trace(self) -> Any:
        def outputs(inputs: Any) -> Any:
            columns = keras.tree.flatten(self._model(inputs, training=False))
            return tf.concat([tf.cast(tf.reshape(column, (tf.shape(column)[0], -1)), tf.float32) for column in columns], axis=1)

        if any(isinstance(layer, keras.layers.TimeDistributed) for layer in _layers(self._model)):
            # Traced for any number of steps, Keras 3.15 runs it over as many steps as there are windows
            # (keras/src/layers/rnn/time_distributed.py: the shape is taken before the transposition). Untraced it is right, and slow.
            return outputs
        spec = tf.TensorSpec(self._input.shape, self._input.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tf.function(outputs, input_signature=[spec], autograph=False).get_concrete_function()


def _signature(model: Any) -> ModelSignature:
    shape = _input_shape(model)
    mask = next((layer for layer in _layers(model) if _makes_mask(layer, len(shape))), None)
    if softmax := unusable_softmax(model):
        raise ModelRefused(softmax)
    if mask is None and len(shape) == 2 and any(_makes_mask(layer, 3) for layer in _layers(model)):
        raise ModelRefused(
            f"the model's Masking is given (batch, {shape[1]}) and masks whole windows; it takes (batch, {shape[1]}, 1), one row a step"
        )
    if mask is None:
        remedy = "begin it with Masking" if len(shape) == 3 else "begin it with Embedding(mask_zero=True)"
        raise ModelRefused(f"the model has no mask, so padding would change its scores; {remedy} and train it again")
    for layer in _layers(model):
        if layer.compute_dtype not in ("float32", "float64"):
            raise ModelRefused(
                f"layer {layer.name} computes in {layer.compute_dtype}; scores agree to 1e-5 only in float32: save it with that policy"
            )
    integer = len(shape) == 2
    return ModelSignature(
        integer=integer,
        features=1 if integer else int(shape[2] or 0),
        fixed_length=shape[1],
        padding_value=0.0 if integer else float(mask.mask_value),
        vocabulary=int(mask.input_dim) if integer else None,
        outputs=_outputs(model),
    )


def _input_shape(model: Any) -> tuple[int | None, ...]:
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        raise ModelRefused(f"the model has {len(inputs)} inputs, not 1; {_RANKS}")
    shape: tuple[int | None, ...] = tuple(inputs[0].shape)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] is None):
        raise ModelRefused(f"the model's input is {shape}; {_RANKS}")
    if shape[0] is not None:
        raise ModelRefused(f"the model takes batches of {shape[0]} only (stateful?); give its input no batch size")
    return shape


def _outputs(model: Any) -> tuple[str, ...]:
    names = getattr(model, "output_names", None) or [model.layers[-1].name]
    found: list[str] = []
    for name, output in zip(names, model.outputs, strict=True):
        if len(output.shape) > 2 or None in output.shape[1:]:
            raise ModelRefused(
                f"the model's output {name} is {output.shape}; it must be one row of numbers per window (return_sequences=False)"
            )
        columns = int(np.prod(output.shape[1:]))
        found += [name] if columns == 1 else [f"{name}_{column}" for column in range(columns)]
    return tuple(found)


def _makes_mask(layer: Any, rank: int) -> bool:
    if rank == 3:
        return isinstance(layer, keras.layers.Masking)
    return isinstance(layer, keras.layers.Embedding) and bool(layer.mask_zero)


def _layers(model: Any) -> Iterator[Any]:
    """Layers in the order of the model, those of nested models in their place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _before_mask(model: Any) -> Any:
    """The layer that sees the padding before the mask does, if any."""
    first = next(_layers(model))
    return None if isinstance(first, keras.layers.Masking | keras.layers.Embedding) else first


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """The seam: whatever Keras raises becomes `ModelRefused` with the first line that says something."""
    try:
        yield
    except ModelRefused:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.strip().startswith(_SAYS_NOTHING)]
        raise ModelRefused(f"{what}: {lines[0][:300] if lines else type(error).__name__}") from error


def _use_available_cpus() -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(available_cpus())
        tf.config.threading.set_inter_op_parallelism_threads(available_cpus())
    except RuntimeError:
        # TensorFlow has started in this process already (training); its threads cannot be changed any more.
        return

"""The only module that runs Keras: loads a model, reads its signature, scores padded batches. Import it only where a model is run.

A model is traced once, for any number of windows and steps. Rejected: one trace per bucket of lengths; it was no faster
(13.9 against 14.1 ms for 256 windows x 64 steps, LSTM(64)), each trace cost 0.1 s, and lengths had to be rounded up to buckets.
XLA was 20 % faster, but compiles 0.5 s for each shape. `model.predict` costs 50 ms per call.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.cpus import available_cpus
from pipeline.scoring.engine import Inputs, Scored
from pipeline.scoring.keras_signature import is_step_output, layer_before_mask, layers_of, read_signature
from pipeline.scoring.masks import lost_mask
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


class KerasEngine:
    """Implements `pipeline.scoring.engine.Engine`. Raises `ModelRefused` for a file that is no model we can score with."""

    name = "keras"
    batching = BatchPolicy()
    threads = 1  # Keras uses all processors for one batch
    masks_by_value = True
    incremental = None

    def __init__(self, model_file: Path) -> None:
        _use_available_cpus()
        with _refusing(f"cannot load {model_file}"), warnings.catch_warnings():
            # A layer that drops the mask warns at each load; it is `explain_padding` that says so, where it matters.
            warnings.simplefilter("ignore")
            self._model = keras.saving.load_model(model_file, compile=False)
            self.signature = read_signature(self._model)
            self._scored = self._trace()

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        with _refusing("the model failed on a batch"):
            given = [tf.constant(batch, tensor.dtype) for batch, tensor in zip(inputs, self._model.inputs, strict=True)]
            outputs, step_outputs = self._scored(*given)
            if outputs.shape[1] != len(self.signature.outputs):
                # Keras calls the weights of one query on any number of steps (windows, 1): MultiHeadAttention.compute_output_spec.
                raise ModelRefused(
                    f"the model says it gives {len(self.signature.outputs)} numbers per window, but gives {outputs.shape[1]}"
                )
            # Both are computed anyway; only what is asked for is copied.
            return Scored(outputs.numpy(), step_outputs.numpy() if with_steps and self.signature.step_outputs else None)

    def explain_padding(self) -> str:
        lost = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batches = [tf.ones([2, tensor.shape[1] or _STEPS, *tensor.shape[2:]], tensor.dtype) for tensor in self._model.inputs]
            with suppress(Exception):  # the model may fail on any window
                lost = lost_mask(self._model, batches)
        if lost is not None:
            return lost
        before = layer_before_mask(self._model)
        if before is not None:
            return (
                f"its layer {before.name} ({type(before).__name__}) comes before the mask and changes the padding value; put Masking first"
            )
        return "a layer mixes steps, or windows, without regard to the mask; make every layer up to the last LSTM respect it"

    @property
    def model(self) -> Any:
        """The Keras model, for its translation."""
        return self._model

    def _trace(self) -> Any:
        struct = getattr(self._model, "_functional", self._model)._inputs_struct
        per_step = [is_step_output(self._model, output) for output in self._model.outputs]

        def outputs(*inputs: Any) -> tuple[Any, Any]:
            found = keras.tree.flatten(self._model(keras.tree.pack_sequence_as(struct, inputs), training=False))
            of_windows = [_columns(output, 1) for output, steps in zip(found, per_step, strict=True) if not steps]
            of_steps = [_columns(output, 2) for output, steps in zip(found, per_step, strict=True) if steps]
            return tf.concat(of_windows, axis=1), tf.concat(of_steps, axis=2) if of_steps else tf.zeros(0)

        if any(isinstance(layer, keras.layers.TimeDistributed) for layer in layers_of(self._model)):
            # Traced for any number of steps, Keras 3.15 runs it over as many steps as there are windows
            # (keras/src/layers/rnn/time_distributed.py: the shape is taken before the transposition). Untraced it is right, and slow.
            return outputs
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in self._model.inputs]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tf.function(outputs, input_signature=specs, autograph=False).get_concrete_function()


def _columns(output: Any, kept: int) -> Any:
    """An output with its first `kept` axes, and one more for all the others."""
    return tf.cast(tf.reshape(output, tf.concat([tf.shape(output)[:kept], [-1]], axis=0)), tf.float32)


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

"""The only module that runs ONNX Runtime: scores padded batches with a translated model. Knows neither Keras nor onnx.

A session uses one thread, and batches run on as many threads as there are processors: on 2 processors, with LSTM(64), 61,000
windows of 37 steps a second; one thread 40,000, and so does one thread with a session of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.cpus import available_cpus
from pipeline.scoring.engine import SIGNATURE_KEY, Inputs, ModelSignature

# From 16 to 64 windows cost the same, 128 a fifth more, 256 half as much again (LSTM(64), processor time a window).
_BATCHING = BatchPolicy(step_overhead_rows=4, max_rows=32, max_cells=16_384)
_ERRORS_ONLY = 3


class OnnxEngine:
    """Implements `pipeline.scoring.engine.Engine`. Raises `ModelRefused` for a file that is no translated model."""

    name = "onnx"
    batching = _BATCHING
    masks_by_value = False

    def __init__(self, model: Path | bytes) -> None:
        """`model`: the file, or what it contains."""
        self.threads = available_cpus()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # It would plan memory anew for each shape of batch, and keep every plan.
        options.enable_mem_pattern = False
        # The arena keeps what the longest batch took, for each thread; without it batches of 32 were as fast.
        options.enable_cpu_mem_arena = False
        with _refusing("cannot load the translated model"):
            source = model if isinstance(model, bytes) else str(model)
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
            self.signature = _signature(self._session)

    def score(self, inputs: Inputs, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.signature.integer:
            inputs, lengths = _without_masked_codes(inputs, lengths)
        with _refusing("the model failed on a batch"):
            scores: NDArray[np.float32] = self._session.run(None, {"steps": inputs, "lengths": lengths.astype(np.int32)})[0]
        return scores

    def explain_padding(self) -> str:
        return "model.onnx does not do what the model does that it was made from; make the bundle again"


def _signature(session: onnxruntime.InferenceSession) -> ModelSignature:
    metadata = session.get_modelmeta().custom_metadata_map
    if SIGNATURE_KEY not in metadata:
        raise ModelRefused("model.onnx was not made by sensorline; `sensorline bundle` makes one from a Keras model")
    return msgspec.json.decode(metadata[SIGNATURE_KEY], type=ModelSignature)


def _without_masked_codes(inputs: Inputs, lengths: NDArray[np.int64]) -> tuple[Inputs, NDArray[np.int64]]:
    """The windows without the steps whose code is 0: Keras masks them, and a masked step is as if it were not there."""
    real = (np.arange(inputs.shape[1]) < lengths[:, None]) & (inputs != 0)
    kept = real.sum(axis=1)
    if np.array_equal(kept, lengths):
        return inputs, lengths
    order = np.argsort(~real, axis=1, kind="stable")
    return np.take_along_axis(inputs, order, axis=1), kept


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """The seam: whatever ONNX Runtime raises becomes `ModelRefused` with its first line."""
    try:
        yield
    except ModelRefused:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise ModelRefused(f"{what}: {lines[0][:300] if lines else type(error).__name__}") from error

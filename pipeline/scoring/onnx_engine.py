"""The only module that runs ONNX Runtime: scores padded batches with a translated or exported model. Knows neither Keras nor onnx.

A session uses one thread, and batches run on as many threads as there are processors: on 2 processors, with LSTM(64), 61,000
windows of 37 steps a second; one thread 40,000, and so does one thread with a session of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.cpus import available_cpus
from pipeline.scoring.engine import EXPORTED, MASKING_KEY, SIGNATURE_KEY, Advanced, Floats, Inputs, ModelSignature, Scored

# From 16 to 64 windows cost the same, 128 a fifth more, 256 half as much again (LSTM(64), processor time a window).
_BATCHING = BatchPolicy(step_overhead_rows=4, max_rows=32, max_cells=16_384)
# What Keras exports goes over the steps in a loop that costs as much as some dozens of rows (LSTM(64): 58 us a window in batches
# of 32, 37 us in batches of 256; translated 18 and 26).
_EXPORT_BATCHING = BatchPolicy()
_ERRORS_ONLY = 3


class OnnxEngine:
    """Implements `pipeline.scoring.engine.Engine`. Raises `ModelRefused` for a file that sensorline did not make.

    A translated model is told the lengths; one that Keras exported itself finds the padding by its value.
    """

    def __init__(self, model: Path | bytes, growing: Path | bytes | None = None) -> None:
        """`model`: the file, or what it contains. `growing`: the same model for windows that grow, where there is one."""
        self.threads = available_cpus()
        with _LOADING:
            self._session = _session(model)
            self.signature, self.masks_by_value = _described(self._session)
            self.name = EXPORTED if self.masks_by_value else "onnx"
            self.batching = _EXPORT_BATCHING if self.masks_by_value else _BATCHING
            self._inputs, self._outputs = _names(self._session)
            self.incremental = None if growing is None else OnnxIncrementalEngine(growing)

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        given = inputs if self.masks_by_value else (*inputs, lengths.astype(np.int32))
        wanted = self._outputs if with_steps else self._outputs[:1]
        with _RUNNING:
            return Scored(*self._session.run(wanted, dict(zip(self._inputs, given, strict=True))))

    def explain_padding(self) -> str:
        return "model.onnx does not do what the model does that it was made from; make the bundle again"


class OnnxIncrementalEngine:
    """Implements `pipeline.scoring.engine.IncrementalEngine`."""

    def __init__(self, model: Path | bytes) -> None:
        """`model`: the file, or what it contains."""
        self._session = _session(model)
        _described(self._session)
        self._inputs, self._outputs = _names(self._session)
        self.state_width = int(self._session.get_inputs()[-1].shape[1])

    def advance(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], states: Floats) -> Advanced:
        given = (*inputs, lengths.astype(np.int32), states)
        with _RUNNING:
            return Advanced(*self._session.run(self._outputs, dict(zip(self._inputs, given, strict=True))))


def _session(model: Path | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # It would plan memory anew for each shape of batch, and keep every plan.
    options.enable_mem_pattern = False
    # The arena keeps what the longest batch took, for each thread; without it batches of 32 were as fast.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def _described(session: onnxruntime.InferenceSession) -> tuple[ModelSignature, bool]:
    """What the model takes and gives, and whether it finds the padding by its value."""
    metadata = session.get_modelmeta().custom_metadata_map
    if SIGNATURE_KEY not in metadata:
        raise ModelRefused("model.onnx was not made by sensorline; `sensorline bundle` makes one from a Keras model")
    return msgspec.json.decode(metadata[SIGNATURE_KEY], type=ModelSignature), metadata.get(MASKING_KEY) == "value"


def _names(session: onnxruntime.InferenceSession) -> tuple[list[str], list[str]]:
    """Inputs in the order of the signature, then the lengths and the states; outputs in the order of `Scored` or `Advanced`."""
    return [given.name for given in session.get_inputs()], [found.name for found in session.get_outputs()]


class _Refusing:
    """The seam: whatever ONNX Runtime raises becomes `ModelRefused` with its first line. No generator, which costs 1 us a call."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ModelRefused):
            lines = str(error).strip().splitlines()
            raise ModelRefused(f"{self._what}: {lines[0][:300] if lines else type(error).__name__}") from error


_LOADING, _RUNNING = _Refusing("cannot load the translated model"), _Refusing("the model failed on a batch")

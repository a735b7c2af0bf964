"""What runs a model is to the rest of sensorline: padded arrays in, one row of outputs per window out."""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy

Inputs = NDArray[np.float32 | np.int32]

SIGNATURE_KEY = "sensorline.signature"
"""In the metadata of `model.onnx`: its `ModelSignature` as JSON."""


class ModelSignature(msgspec.Struct, frozen=True):
    """What a loaded model takes and gives, as the model itself says."""

    integer: bool  # True: codes, windows x steps, embedded; False: windows x steps x features
    features: int  # columns per step; 1 for codes
    fixed_length: int | None  # the only number of steps; None: any
    padding_value: float  # what its mask takes for padding
    vocabulary: int | None  # codes are 0..vocabulary - 1; None where it takes no codes
    outputs: tuple[str, ...]  # a name for each output column


class Engine(Protocol):
    """A loaded model. Used by at most `threads` threads at a time."""

    name: str  # "keras", "onnx"
    signature: ModelSignature
    batching: BatchPolicy  # the batches that suit it, as measured
    threads: int
    masks_by_value: bool  # padding must have the padding value; else it may be anything, as `lengths` tells it

    def score(self, inputs: Inputs, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of right-padded windows, windows x output columns, in the order of `signature.outputs`.

        `lengths`: real steps of each window, for engines that cannot find the padding by its value.
        Raises `ModelRefused` where the model fails.
        """
        ...

    def explain_padding(self) -> str:
        """For a model whose scores padding changes: the likely cause and the remedy, as half a sentence."""
        ...

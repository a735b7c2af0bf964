"""What runs a model is to the rest of sensorline: padded arrays in, a row of outputs per window out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy

Inputs = NDArray[np.float32 | np.int32]
"""One input of right-padded windows: windows x steps x features (float32), or windows x steps of codes (int32)."""

Floats = NDArray[np.float32]

SIGNATURE_KEY = "sensorline.signature"
"""In the metadata of an ONNX model: its `ModelSignature` as JSON."""

MASKING_KEY = "sensorline.masking"
"""In the metadata of an ONNX model: "lengths" where it is told them, "value" where it finds the padding by its value."""

EXPORTED = "onnx-export"
"""The name of the engine of a model that Keras exported itself, as sensorline could not translate it."""


class ModelInput(msgspec.Struct, frozen=True):
    """One input: `features` numbers a step, or, with a `vocabulary`, one code a step from 0 to vocabulary - 1, 0 being padding."""

    name: str
    features: int = 1
    padding_value: float = 0.0  # what its mask takes for padding
    vocabulary: int | None = None


class ModelSignature(msgspec.Struct, frozen=True):
    """What a loaded model takes and gives, as the model itself says. At most one input is not of codes."""

    inputs: tuple[ModelInput, ...]
    fixed_length: int | None  # the only number of steps; None: any
    outputs: tuple[str, ...]  # a name for each number per window
    step_outputs: tuple[str, ...] = ()  # a name for each number per step, such as an attention weight


class Scored(NamedTuple):
    """What a model says about windows, in their order. Where a window ends, its numbers per step end too: the rest is undefined."""

    outputs: Floats  # windows x outputs
    step_outputs: Floats | None = None  # windows x steps x step_outputs; None: not asked for


class Advanced(NamedTuple):
    """What a model says after each of some further steps, and where it stands then."""

    outputs: Floats  # windows x steps x outputs
    states: Floats  # windows x state_width, after each window's last step


class IncrementalEngine(Protocol):
    """A model that goes over a window's steps once, from the first to the last: it can go on where it stood."""

    state_width: int  # numbers that say where it stands; all 0 before the first step

    def advance(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], states: Floats) -> Advanced:
        """Goes over further steps, at least one of each window. Raises `ModelRefused` where the model fails."""
        ...


class Engine(Protocol):
    """A loaded model. Used by at most `threads` threads at a time."""

    name: str  # "keras", "onnx", `EXPORTED`
    signature: ModelSignature
    batching: BatchPolicy  # the batches that suit it, as measured
    threads: int
    masks_by_value: bool  # padding must have the padding value; else it may be anything, as `lengths` tells it

    @property
    def incremental(self) -> IncrementalEngine | None:
        """The model for windows that grow; None: each score needs the whole window."""
        ...

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        """Scores right-padded windows; `inputs` are in the order of `signature.inputs`, all padded to the same length.

        `lengths`: real steps of each window, for engines that cannot find the padding by its value.
        Raises `ModelRefused` where the model fails.
        """
        ...

    def explain_padding(self) -> str:
        """For a model whose scores padding changes: the likely cause and the remedy, as half a sentence."""
        ...

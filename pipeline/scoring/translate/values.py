"""What flows through a translation, and how it ends where a layer cannot be translated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph, and how it lies there.

    A sequence (`steps`) lies time-major, steps x windows x `shape`, as recurrent operators take it, whichever of Keras's axes
    its steps are; anything else is windows x `shape` (in a graph for growing windows steps x windows x `shape`, as it is after
    each step).
    """

    name: str
    steps: bool
    shape: tuple[int, ...]
    is_input: bool = False  # the model's input as it came, or scaled: a step equals the mask value there only
    at: int = 1  # which of Keras's axes the steps are, the windows being 0

    @property
    def axes(self) -> tuple[int | None, ...]:
        """The sizes of Keras's axes after the windows'; None is the steps' one."""
        return (*self.shape[: self.at - 1], None, *self.shape[self.at - 1 :]) if self.steps else self.shape

    @property
    def is_plain(self) -> bool:
        """Whether Keras's last axis is one of features, and a sequence's steps are the first."""
        return not self.steps or (self.at == 1 and self.shape != ())


class Untranslatable(Exception):
    """The model cannot be run on ONNX Runtime; the message names the layer. It can still be run on Keras."""

    def __init__(self, layer: Any, reason: str) -> None:
        super().__init__(f"layer {layer.name} ({type(layer).__name__}) {reason}")


class NeedsWholeWindow(Exception):
    """What a layer does after a step depends on later steps, or on more of the earlier ones than a state holds."""

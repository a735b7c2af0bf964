"""What flows through a translation, and how it ends where a layer cannot be translated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """A tensor of the ONNX graph.

    A sequence (`steps`) lies time-major, steps x windows x `shape`, as recurrent operators take it; anything else is
    windows x `shape`.
    """

    name: str
    steps: bool
    shape: tuple[int, ...]
    is_input: bool = False  # the model's input as it came, or scaled: a step equals the mask value there only


class Untranslatable(Exception):
    """The model cannot be run on ONNX Runtime; the message names the layer. It can still be run on Keras."""

    def __init__(self, layer: Any, reason: str) -> None:
        super().__init__(f"layer {layer.name} ({type(layer).__name__}) {reason}")

"""An ONNX graph under construction. The only module that imports onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.scoring.engine import ModelInput
from pipeline.scoring.translate.values import NeedsWholeWindow, Value

# Old enough for any onnxruntime of the last years; LayerNormalization came with 17.
_OPSET, _IR_VERSION = 17, 8

# Keras allows no slash in a name, so none of these is the name of an input.
LENGTHS, STATES, SCORES, STEP_SCORES, NEXT_STATES = "window/lengths", "window/states", "window/scores", "step/scores", "next/states"

Operand = str | NDArray[Any]
"""The name of a tensor, or a constant."""

Output = tuple[str, Sequence[str | int]]
"""A tensor, and its sizes."""


class Graph:
    """Nodes are added in order.

    Inputs: the model's, windows x steps x features (or windows x steps of int32 codes); `LENGTHS`, windows; and, for growing
    windows, `STATES`, windows x numbers that the recurrent operators begin with.
    """

    def __init__(self, inputs: Sequence[ModelInput], growing: bool = False) -> None:
        """`growing`: steps come in pieces, and what the whole graph gives per window it gives after each step."""
        self.growing = growing
        self.leading = 2 if growing else 1  # axes of something that is no sequence, ahead of its shape
        self.state_width = 0
        self._inputs = tuple(inputs)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._states: list[str] = []

    def add(self, operator: str, *operands: Operand, **attributes: Any) -> str:
        """The output of a new node."""
        return self.add_outputs(operator, operands, (True,), **attributes)[0]

    def add_outputs(self, operator: str, operands: Sequence[Operand], wanted: Sequence[bool], **attributes: Any) -> list[str]:
        """The outputs of a new node; an output that is not wanted is "" and not computed."""
        names = [f"{operator.lower()}/{len(self._nodes)}/{place}" if want else "" for place, want in enumerate(wanted)]
        inputs = [operand if isinstance(operand, str) else self._constant(operand) for operand in operands]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    @cached_property
    def inputs(self) -> list[Value]:
        """The model's inputs, in their order."""
        return [self._input(model_input) for model_input in self._inputs]

    @cached_property
    def positions(self) -> str:
        """The number of each step from 0: steps x 1 x 1, int32."""
        steps = self.cast(self.add("Gather", self.add("Shape", self._inputs[0].name), np.array(1), axis=0), np.int32)
        numbers = self.add("Range", np.array(0, np.int32), steps, np.array(1, np.int32))
        return self.add("Unsqueeze", numbers, np.array([1, 2]))

    @cached_property
    def ends(self) -> str:
        """The length of each window: windows x 1, int32."""
        self.require_whole_windows()
        return self.add("Unsqueeze", LENGTHS, np.array([1]))

    @cached_property
    def real(self) -> str:
        """True for real steps: steps x windows x 1."""
        return self.add("Less", self.positions, self.ends)

    def require_whole_windows(self) -> None:
        """Raises `NeedsWholeWindow` where windows grow."""
        if self.growing:
            raise NeedsWholeWindow

    def lead(self, value: Value) -> int:
        """The number of axes ahead of the value's shape."""
        return 2 if value.steps else self.leading

    def cast(self, name: str, to: type[np.generic]) -> str:
        """The tensor with another type of elements."""
        return self.add("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def with_padding(self, value: Value, padding: float) -> str:
        """The sequence with a defined value beyond its end, whatever was there, NaN included."""
        return self.add("Where", self._as_wide_as(value, self.real), value.name, np.array(padding, np.float32))

    def last_step(self, value: Value) -> str:
        """The last real step of each window: windows x shape. Where windows grow, each step is the last one in its turn."""
        if self.growing:
            return value.name
        last = self.add("Equal", self.positions, self.add("Sub", self.ends, np.array(1, np.int32)))
        alone = self.add("Where", self._as_wide_as(value, last), value.name, np.array(0, np.float32))
        return self.add("ReduceSum", alone, np.array([0]), keepdims=0)

    def batch_major(self, value: Value) -> str:
        """Windows x steps x shape, of a sequence; for layers that look at several steps at once."""
        self.require_whole_windows()
        if not value.steps:
            return value.name
        return self.add("Transpose", value.name, perm=[1, 0, *range(2, 2 + len(value.shape))])

    def initial_state(self, units: int) -> str:
        """What a recurrent operator begins with, 1 x windows x units: the next numbers of `STATES`."""
        begin, self.state_width = self.state_width, self.state_width + units
        numbers = self.add("Slice", STATES, np.array([begin]), np.array([self.state_width]), np.array([1]))
        return self.add("Unsqueeze", numbers, np.array([0]))

    def keep_state(self, state: str) -> None:
        """Adds the state that is to follow an `initial_state`, windows x units, in the same order."""
        self._states.append(state)

    def serialized(self, outputs: Mapping[str, Output], metadata: Mapping[str, str]) -> bytes:
        """The model as a file's content. `outputs`: by their final names."""
        inputs = [*map(_described, self._inputs), helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["windows"])]
        if self.growing:
            width = self.state_width
            inputs.append(helper.make_tensor_value_info(STATES, TensorProto.FLOAT, ["windows", width]))
            outputs = dict(outputs) | {NEXT_STATES: (self.add("Concat", *self._states, axis=1), ("windows", width))}
        for name, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(sizes)) for name, (_, sizes) in outputs.items()]
        graph = helper.make_graph(self._nodes, "scorer", inputs, described, self._constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="sensorline")
        return _with_metadata(model, metadata)

    def _input(self, model_input: ModelInput) -> Value:
        if model_input.vocabulary is not None:
            return Value(self.add("Transpose", model_input.name, perm=[1, 0]), steps=True, shape=(), is_input=True)
        steps = self.add("Transpose", model_input.name, perm=[1, 0, 2])
        return Value(steps, steps=True, shape=(model_input.features,), is_input=True)

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"constant/{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _as_wide_as(self, value: Value, mask: str) -> str:
        """A mask over steps x windows x 1 that broadcasts over the sequence's shape."""
        extra = len(value.shape) - 1
        if extra < 0:
            return self.add("Squeeze", mask, np.array([2]))
        return self.add("Unsqueeze", mask, np.arange(3, 3 + extra)) if extra else mask


def with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """An ONNX file's content with entries added to its metadata."""
    return _with_metadata(onnx.load_from_string(content), metadata)


def _with_metadata(model: Any, metadata: Mapping[str, str]) -> bytes:
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _described(model_input: ModelInput) -> Any:
    if model_input.vocabulary is not None:
        return helper.make_tensor_value_info(model_input.name, TensorProto.INT32, ["windows", "steps"])
    return helper.make_tensor_value_info(model_input.name, TensorProto.FLOAT, ["windows", "steps", model_input.features])

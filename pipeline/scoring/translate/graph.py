"""An ONNX graph under construction. The only module that imports onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from pipeline.scoring.translate.values import Value

# Old enough for any onnxruntime of the last years; LayerNormalization came with 17.
_OPSET, _IR_VERSION = 17, 8

INPUT, LENGTHS, OUTPUT = "steps", "lengths", "scores"

Operand = str | NDArray[Any]
"""The name of a tensor, or a constant."""


class Graph:
    """Inputs: `steps`, windows x steps x features (or windows x steps of codes), and `lengths`, windows. Nodes are added in order."""

    def __init__(self, features: int | None) -> None:
        """`features`: of each step; None: int32 codes."""
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._features = features

    def add(self, operator: str, *operands: Operand, **attributes: Any) -> str:
        """The output of a new node."""
        return self.add_outputs(operator, operands, (True,), **attributes)[0]

    def add_outputs(self, operator: str, operands: Sequence[Operand], wanted: Sequence[bool], **attributes: Any) -> list[str]:
        """The outputs of a new node; an output that is not wanted is "" and not computed."""
        names = [f"{operator.lower()}_{len(self._nodes)}_{place}" if want else "" for place, want in enumerate(wanted)]
        inputs = [operand if isinstance(operand, str) else self._constant(operand) for operand in operands]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    @cached_property
    def input(self) -> Value:
        """The model's input."""
        if self._features is None:
            return Value(self.add("Transpose", INPUT, perm=[1, 0]), steps=True, shape=(), is_input=True)
        return Value(self.add("Transpose", INPUT, perm=[1, 0, 2]), steps=True, shape=(self._features,), is_input=True)

    @cached_property
    def positions(self) -> str:
        """The number of each step from 0: steps x 1 x 1, int32."""
        steps = self.cast(self.add("Gather", self.add("Shape", INPUT), np.array(1), axis=0), np.int32)
        numbers = self.add("Range", np.array(0, np.int32), steps, np.array(1, np.int32))
        return self.add("Unsqueeze", numbers, np.array([1, 2]))

    @cached_property
    def ends(self) -> str:
        """The length of each window: windows x 1, int32."""
        return self.add("Unsqueeze", LENGTHS, np.array([1]))

    @cached_property
    def real(self) -> str:
        """True for real steps: steps x windows x 1."""
        return self.add("Less", self.positions, self.ends)

    def cast(self, name: str, to: type[np.generic]) -> str:
        """The tensor with another type of elements."""
        return self.add("Cast", name, to=helper.np_dtype_to_tensor_dtype(np.dtype(to)))

    def with_padding(self, value: Value, padding: float) -> str:
        """The sequence with a defined value beyond its end, whatever was there, NaN included."""
        return self.add("Where", self._as_wide_as(value, self.real), value.name, np.array(padding, np.float32))

    def last_step(self, value: Value) -> str:
        """The last real step of each window: windows x shape."""
        last = self.add("Equal", self.positions, self.add("Sub", self.ends, np.array(1, np.int32)))
        alone = self.add("Where", self._as_wide_as(value, last), value.name, np.array(0, np.float32))
        return self.add("ReduceSum", alone, np.array([0]), keepdims=0)

    def batch_major(self, value: Value) -> str:
        """Windows x steps x shape."""
        if not value.steps:
            return value.name
        return self.add("Transpose", value.name, perm=[1, 0, *range(2, 2 + len(value.shape))])

    def serialized(self, scores: str, columns: int, metadata: Mapping[str, str]) -> bytes:
        """The model as a file's content; `scores`: windows x columns."""
        self._nodes.append(helper.make_node("Identity", [scores], [OUTPUT]))
        features = [] if self._features is None else [self._features]
        kind = TensorProto.INT32 if self._features is None else TensorProto.FLOAT
        inputs = [
            helper.make_tensor_value_info(INPUT, kind, ["windows", "steps", *features]),
            helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["windows"]),
        ]
        outputs = [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["windows", columns])]
        graph = helper.make_graph(self._nodes, "scorer", inputs, outputs, self._constants)
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="sensorline")
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _as_wide_as(self, value: Value, mask: str) -> str:
        """A mask over steps x windows x 1 that broadcasts over the sequence's shape."""
        extra = len(value.shape) - 1
        return self.add("Unsqueeze", mask, np.arange(3, 3 + extra)) if extra > 0 else mask

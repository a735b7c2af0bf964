"""The walk through a Keras model, from its outputs back to its inputs, and the ONNX files that come out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import prod
from typing import Any

import msgspec
import numpy as np

from pipeline.scoring.engine import MASKING_KEY, SIGNATURE_KEY, ModelSignature
from pipeline.scoring.translate.graph import SCORES, STEP_SCORES, Graph, Output
from pipeline.scoring.translate.table import ANY_AXES, LAYERS, OPERATIONS, POINTWISE, Translate
from pipeline.scoring.translate.values import NeedsWholeWindow, Untranslatable, Value

# What Keras adds to a call by itself; `training` is false and a window alone has no padding.
_IMPLIED = {"training", "mask", "query_mask", "value_mask", "key_mask"}


def translate(model: Any, signature: ModelSignature) -> bytes:
    """The model as ONNX. Raises `Untranslatable`.

    From the inputs of the signature and the lengths to scores, windows x outputs, and, where the model has any, to numbers for
    each step, windows x steps x step outputs. The number of steps is free, also where the Keras model takes a fixed one.
    """
    return _guarded(_whole, model, signature)


def translate_growing(model: Any, signature: ModelSignature) -> bytes:
    """The model as ONNX for windows that grow. Raises `Untranslatable`, also where a score depends on more than the steps so far.

    From the inputs of the signature, the lengths and the states before to scores after each step, windows x steps x outputs,
    and the states after.
    """
    return _guarded(_growing, model, signature)


def _guarded(translated: Callable[[Any, ModelSignature], bytes], model: Any, signature: ModelSignature) -> bytes:
    try:
        return translated(model, signature)
    except Untranslatable:
        raise
    except Exception as error:
        # A layer may be set up in ways that nobody here has thought of; its model can still be run on Keras.
        raise Untranslatable(model, f"cannot be translated: {type(error).__name__} {error}".splitlines()[0]) from error


def _whole(model: Any, signature: ModelSignature) -> bytes:
    graph = Graph(signature.inputs)
    values = _Walk(graph, _given(graph, model)).values(model.outputs)
    columns = [graph.add("Reshape", value.name, np.array([0, -1])) for value in values if not value.steps]
    step_columns = [_step_columns(graph, model, value) for value in values if value.steps]
    _require_columns(model, values, signature)
    outputs: dict[str, Output] = {SCORES: (_joined(graph, columns, axis=1), ("windows", len(signature.outputs)))}
    if step_columns:
        outputs[STEP_SCORES] = (_joined(graph, step_columns, axis=2), ("windows", "steps", len(signature.step_outputs)))
    return graph.serialized(outputs, _metadata(signature))


def _growing(model: Any, signature: ModelSignature) -> bytes:
    whole = Graph(signature.inputs)
    values = _Walk(whole, _given(whole, model)).values(model.outputs)
    graph = Graph(signature.inputs, growing=True)
    wanted = [tensor for tensor, value in zip(model.outputs, values, strict=True) if not value.steps]
    after_each = _Walk(graph, _given(graph, model)).values(wanted)
    if not graph.state_width:
        raise Untranslatable(model, "has no state")
    columns = [graph.add("Reshape", value.name, np.array([0, 0, -1])) for value in after_each]
    scores = graph.add("Transpose", _joined(graph, columns, axis=2), perm=[1, 0, 2])
    return graph.serialized({SCORES: (scores, ("windows", "steps", len(signature.outputs)))}, _metadata(signature))


def _given(graph: Graph, model: Any) -> dict[int, Value]:
    return {id(tensor): value for tensor, value in zip(model.inputs, graph.inputs, strict=True)}


def _step_columns(graph: Graph, model: Any, value: Value) -> str:
    """Windows x steps x columns, of (windows, steps), (windows, steps, columns) or (windows, 1, steps)."""
    if value.at != 1 and prod(value.shape) != 1:
        raise Untranslatable(model, "gives numbers per step whose steps are not the first axis")
    return graph.add("Transpose", graph.add("Reshape", value.name, np.array([0, 0, prod(value.shape)])), perm=[1, 0, 2])


def _require_columns(model: Any, values: list[Value], signature: ModelSignature) -> None:
    found = [sum(prod(value.shape) for value in values if value.steps == steps) for steps in (False, True)]
    if found != [len(signature.outputs), len(signature.step_outputs)]:
        raise Untranslatable(model, f"gives {found[0]} numbers per window and {found[1]} per step, which is not what it is said to give")


def _joined(graph: Graph, columns: list[str], axis: int) -> str:
    return columns[0] if len(columns) == 1 else graph.add("Concat", *columns, axis=axis)


def _metadata(signature: ModelSignature) -> dict[str, str]:
    free = msgspec.structs.replace(signature, fixed_length=None)
    return {SIGNATURE_KEY: msgspec.json.encode(free).decode(), MASKING_KEY: "lengths"}


class _Walk:
    """Translates what the outputs need, each node once. Masks, which Keras has as nodes too, are needed by none."""

    def __init__(self, graph: Graph, known: Mapping[int, Value]) -> None:
        self._graph = graph
        self._known: dict[int, Value | Untranslatable] = dict(known)  # by the identity of Keras's symbolic tensor

    def values(self, tensors: Iterable[Any]) -> list[Value]:
        """The values of Keras's symbolic tensors."""
        return [self._value(tensor) for tensor in tensors]

    def _value(self, tensor: Any) -> Value:
        if id(tensor) not in self._known:
            operation, node_index, _ = tensor._keras_history
            node = operation._inbound_nodes[node_index]
            for output, value in zip(node.outputs, self._call(operation, node.arguments), strict=True):
                self._known[id(output)] = value
        value = self._known[id(tensor)]
        if isinstance(value, Untranslatable):
            raise value
        return value

    def _call(self, operation: Any, arguments: Any) -> list[Value | Untranslatable]:
        given = self._filled(list(arguments.args))
        named = {
            name: self._filled(argument)
            for name, argument in arguments.kwargs.items()
            if name not in _IMPLIED and argument is not None and argument is not False
        }
        translated = self._translated(operation, given, named)
        return translated if isinstance(translated, list) else [translated]

    def _translated(self, operation: Any, given: list[Any], named: dict[str, Any]) -> Any:
        if hasattr(operation, "layers"):
            return self._nested(operation, given)
        translate = _translation(operation)
        try:
            inspect.signature(translate).bind(self._graph, operation, *given, **named)
        except TypeError:
            what = ", ".join(named) or f"{len(given)} tensors"
            raise Untranslatable(operation, f"is called with {what}, which has no translation") from None
        if type(operation).__name__ not in ANY_AXES and not all(value.is_plain for value in _flat(given)):
            raise Untranslatable(operation, "is given steps on another axis than the first")
        try:
            return translate(self._graph, operation, *given, **named)
        except NeedsWholeWindow:
            raise Untranslatable(operation, "needs the whole window") from None

    def _nested(self, model: Any, given: list[Any]) -> list[Value]:
        values = given[0] if len(given) == 1 and isinstance(given[0], list) else given
        known = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
        return _Walk(self._graph, known).values(model.outputs)

    def _filled(self, argument: Any) -> Any:
        if hasattr(argument, "_keras_history"):
            return self._value(argument)
        if isinstance(argument, list | tuple):
            return [self._filled(item) for item in argument]
        return argument


def _flat(given: Any) -> Iterator[Value]:
    for item in given:
        if isinstance(item, Value):
            yield item
        elif isinstance(item, list | tuple):
            yield from _flat(item)


def _translation(operation: Any) -> Translate:
    name, module = type(operation).__name__, type(operation).__module__
    if name == "TimeDistributed":
        return _time_distributed
    table = OPERATIONS if ".ops." in module else LAYERS
    # A class of the user's own may have any name and do anything.
    if name not in table or not module.startswith("keras."):
        raise Untranslatable(operation, "has no translation")
    return table[name]


def _time_distributed(graph: Graph, layer: Any, x: Value) -> Any:
    """The layer inside works on the last axis anyway."""
    if type(layer.layer).__name__ not in POINTWISE or not x.steps:
        raise Untranslatable(layer, f"applies {type(layer.layer).__name__} to each step, which has no translation")
    return _translation(layer.layer)(graph, layer.layer, x)

"""The walk through a Keras model, from its outputs back to its input, and the ONNX file that comes out."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from pipeline.scoring.engine import SIGNATURE_KEY, ModelSignature
from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.table import LAYERS, OPERATIONS, POINTWISE, Translate
from pipeline.scoring.translate.values import Untranslatable, Value

# What Keras adds to a call by itself; `training` is false and a window alone has no padding.
_IMPLIED = {"training", "mask", "query_mask", "value_mask", "key_mask"}


def translate(model: Any, signature: ModelSignature) -> bytes:
    """The model as ONNX: (steps, lengths) -> scores, windows x output columns. Raises `Untranslatable`.

    The number of steps is free, also where the Keras model takes a fixed one.
    """
    try:
        return _translated(model, signature)
    except Untranslatable:
        raise
    except Exception as error:
        # A layer may be set up in ways that nobody here has thought of; its model can still be run on Keras.
        raise Untranslatable(model, f"cannot be translated: {type(error).__name__} {error}".splitlines()[0]) from error


def _translated(model: Any, signature: ModelSignature) -> bytes:
    graph = Graph(None if signature.integer else signature.features)
    (model_input,) = model.inputs
    outputs = _Walk(graph, {id(model_input): graph.input}).outputs(model)
    for output in outputs:
        if output.steps:
            raise Untranslatable(model, "gives a sequence")
    flat = [graph.add("Flatten", output.name, axis=1) for output in outputs]
    scores = flat[0] if len(flat) == 1 else graph.add("Concat", *flat, axis=1)
    free = msgspec.structs.replace(signature, fixed_length=None)
    return graph.serialized(scores, len(signature.outputs), {SIGNATURE_KEY: msgspec.json.encode(free).decode()})


class _Walk:
    """Translates what the outputs need, each node once. Masks, which Keras has as nodes too, are needed by none."""

    def __init__(self, graph: Graph, known: dict[int, Value]) -> None:
        self._graph = graph
        self._known = known  # by the identity of Keras's symbolic tensor

    def outputs(self, model: Any) -> list[Value]:
        """The values of the model's outputs."""
        return [self._value(tensor) for tensor in model.outputs]

    def _value(self, tensor: Any) -> Value:
        if id(tensor) not in self._known:
            operation, node_index, _ = tensor._keras_history
            node = operation._inbound_nodes[node_index]
            for output, value in zip(node.outputs, self._call(operation, node.arguments), strict=True):
                self._known[id(output)] = value
        return self._known[id(tensor)]

    def _call(self, operation: Any, arguments: Any) -> list[Value]:
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
        return translate(self._graph, operation, *given, **named)

    def _nested(self, model: Any, given: list[Any]) -> list[Value]:
        values = given[0] if len(given) == 1 and isinstance(given[0], list) else given
        known = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
        return _Walk(self._graph, known).outputs(model)

    def _filled(self, argument: Any) -> Any:
        if hasattr(argument, "_keras_history"):
            return self._value(argument)
        if isinstance(argument, list | tuple):
            return [self._filled(item) for item in argument]
        return argument


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

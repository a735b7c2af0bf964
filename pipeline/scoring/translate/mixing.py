"""Layers that mix the steps of a window: pooling, softmax over steps, the last step, products over steps. Real steps only."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.values import Untranslatable, Value

_LOWEST = float(np.finfo(np.float32).min)


def average_pooling(graph: Graph, layer: Any, x: Value) -> Value:
    return _over_steps(graph, layer, x, mean(graph, x), layer.keepdims)


def max_pooling(graph: Graph, layer: Any, x: Value) -> Value:
    return _over_steps(graph, layer, x, greatest(graph, x), layer.keepdims)


def total(graph: Graph, x: Value) -> str:
    """Windows x shape: the sum of the real steps."""
    return graph.add("ReduceSum", graph.with_padding(x, 0), np.array([0]), keepdims=0)


def mean(graph: Graph, x: Value) -> str:
    """Windows x shape: the mean of the real steps."""
    lengths = graph.cast(graph.ends, np.float32)
    extra = len(x.shape) - 1
    return graph.add("Div", total(graph, x), graph.add("Unsqueeze", lengths, np.arange(2, 2 + extra)) if extra > 0 else lengths)


def greatest(graph: Graph, x: Value) -> str:
    """Windows x shape: the greatest of the real steps."""
    return graph.add("ReduceMax", graph.with_padding(x, _LOWEST), axes=[0], keepdims=0)


def softmax(graph: Graph, layer: Any, x: Value) -> Value:
    """Over the features, or over the real steps; then padding weighs 0."""
    last = len(x.shape) + int(x.steps)
    axis = layer.axis if isinstance(layer.axis, int) else -1
    if axis in (-1, last):
        return Value(graph.add("Softmax", x.name, axis=-1), x.steps, x.shape)
    if x.steps and axis in (1, -last):
        return Value(graph.add("Softmax", graph.with_padding(x, _LOWEST), axis=0), steps=True, shape=x.shape)
    raise Untranslatable(layer, f"has axis {layer.axis}, which has no translation")


def dot(graph: Graph, layer: Any, pair: list[Value]) -> Value:
    """Over the steps: windows x features of the one x features of the other."""
    first, second = pair
    if layer.axes not in (1, (1, 1), [1, 1]) or layer.normalize or not (first.steps and second.steps):
        raise Untranslatable(layer, "does not multiply over the steps")
    if len(first.shape) != 1 or len(second.shape) != 1:
        raise Untranslatable(layer, "multiplies more than features by steps")
    left = graph.add("Transpose", graph.with_padding(first, 0), perm=[1, 2, 0])
    right = graph.add("Transpose", graph.with_padding(second, 0), perm=[1, 0, 2])
    return Value(graph.add("MatMul", left, right), steps=False, shape=(*first.shape, *second.shape))


def embedding(graph: Graph, layer: Any, codes: Value) -> Value:
    if codes.shape:
        raise Untranslatable(layer, "embeds something else than the input")
    table = np.asarray(layer.get_weights()[0])
    return Value(graph.add("Gather", table, codes.name, axis=0), codes.steps, (table.shape[1],))


def masking(graph: Graph, layer: Any, x: Value) -> Value:
    """Nothing: padding is told by `lengths`. In the middle of a model Keras would skip real steps that come out as the mask value."""
    if not x.is_input:
        raise Untranslatable(layer, "masks by values that a layer before it made")
    return x


def flatten(graph: Graph, layer: Any, x: Value) -> Value:
    _require_vector(layer, x)
    size = int(np.prod(x.shape))
    return Value(graph.add("Reshape", x.name, np.array([-1, size])), steps=False, shape=(size,))


def reshape(graph: Graph, layer: Any, x: Value) -> Value:
    _require_vector(layer, x)
    size, known = int(np.prod(x.shape)), [number for number in layer.target_shape if number != -1]
    shape = tuple(size // int(np.prod(known)) if number == -1 else number for number in layer.target_shape)
    return Value(graph.add("Reshape", x.name, np.array([-1, *shape])), steps=False, shape=shape)


def _over_steps(graph: Graph, layer: Any, x: Value, pooled: str, keepdims: bool) -> Value:
    if not x.steps or keepdims:
        raise Untranslatable(layer, "pools over something else than the steps, or keeps their axis")
    return Value(pooled, steps=False, shape=x.shape)


def _require_vector(layer: Any, x: Value) -> None:
    if x.steps:
        raise Untranslatable(layer, "needs a fixed number of steps")

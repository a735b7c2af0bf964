"""Layers that mix the steps of a window: pooling, softmax over steps, products over steps or features. Real steps only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.values import Untranslatable, Value

_LOWEST = float(np.finfo(np.float32).min)


def average_pooling(graph: Graph, layer: Any, x: Value) -> Value:
    return _pooled(graph, layer, x, mean)


def max_pooling(graph: Graph, layer: Any, x: Value) -> Value:
    return _pooled(graph, layer, x, greatest)


def total(graph: Graph, x: Value) -> str:
    """Windows x shape: the sum of the real steps."""
    return graph.add("ReduceSum", graph.with_padding(x, 0), np.array([0]), keepdims=0)


def mean(graph: Graph, x: Value) -> str:
    """Windows x shape: the mean of the real steps."""
    lengths = graph.cast(graph.ends, np.float32)
    sizes = np.array([-1, *(1 for _ in x.shape)])
    return graph.add("Div", total(graph, x), graph.add("Reshape", lengths, sizes))


def greatest(graph: Graph, x: Value) -> str:
    """Windows x shape: the greatest of the real steps."""
    return graph.add("ReduceMax", graph.with_padding(x, _LOWEST), axes=[0], keepdims=0)


def softmax(graph: Graph, layer: Any, x: Value) -> Value:
    """The layer, or the operation: over features, or over the real steps; then padding weighs 0."""
    rank = len(x.axes) + 1
    if not isinstance(layer.axis, int) or not 0 < layer.axis % rank < rank:
        raise Untranslatable(layer, f"has axis {layer.axis}, which has no translation")
    return softmax_over(graph, x, layer.axis % rank)


def softmax_over(graph: Graph, x: Value, axis: int, operator: str = "Softmax") -> Value:
    """Over one of Keras's axes after the windows'."""
    if x.steps and axis == x.at:
        return replace(x, name=graph.add(operator, graph.with_padding(x, _LOWEST), axis=0), is_input=False)
    place = graph.lead(x) + axis - 1 - (1 if x.steps and axis > x.at else 0)
    return replace(x, name=graph.add(operator, x.name, axis=place), is_input=False)


def dot(graph: Graph, layer: Any, pair: list[Value]) -> Value:
    """The layer: over the steps of both, or over the features of a sequence and a vector."""
    first, second = pair
    axes = [layer.axes, layer.axes] if isinstance(layer.axes, int) else list(layer.axes)
    if layer.normalize:
        raise Untranslatable(layer, "normalizes, which has no translation")
    return _product(graph, layer, (first, axes[0] % (len(first.axes) + 1)), (second, axes[1] % (len(second.axes) + 1)))


def matmul(graph: Graph, operation: Any, first: Value, second: Value) -> Value:
    if len(first.axes) != 2 or len(second.axes) != 2:
        raise Untranslatable(operation, "multiplies something else than (windows, rows, columns)")
    return _product(graph, operation, (first, 2), (second, 1))


def _product(graph: Graph, layer: Any, left: tuple[Value, int], right: tuple[Value, int]) -> Value:
    (first, axis), (second, other_axis) = left, right
    if first.steps and second.steps and axis == first.at and other_axis == second.at:
        return _product_over_steps(graph, layer, first, second)
    if first.is_plain and first.steps and axis == 2 and not second.steps and second.shape == first.shape:
        graph.require_whole_windows()
        products = graph.add("Mul", first.name, second.name)
        return Value(graph.add("ReduceSum", products, np.array([2]), keepdims=0), steps=True, shape=())
    raise Untranslatable(layer, "does not multiply over the steps of both, or over features with a vector")


def _product_over_steps(graph: Graph, layer: Any, first: Value, second: Value) -> Value:
    if len(first.shape) > 1 or len(second.shape) > 1:
        raise Untranslatable(layer, "multiplies more than features by steps")
    rows, columns = (_with_features(graph, value) for value in (first, second))
    product = graph.add("MatMul", graph.add("Transpose", rows, perm=[1, 2, 0]), graph.add("Transpose", columns, perm=[1, 0, 2]))
    shape = (*first.shape, *second.shape)
    return Value(product if len(shape) == 2 else graph.add("Reshape", product, np.array([0, *shape])), steps=False, shape=shape)


def _with_features(graph: Graph, value: Value) -> str:
    """Steps x windows x features, the padding 0."""
    padded = graph.with_padding(value, 0)
    return padded if value.shape else graph.add("Unsqueeze", padded, np.array([2]))


def embedding(graph: Graph, layer: Any, codes: Value) -> Value:
    if codes.shape:
        raise Untranslatable(layer, "embeds something else than the input")
    table = np.asarray(layer.get_weights()[0])
    return Value(graph.add("Gather", table, codes.name, axis=0), codes.steps, (table.shape[1],))


def masking(graph: Graph, layer: Any, x: Value) -> Value:
    """Nothing: padding is told by the lengths. In the middle of a model Keras would skip real steps that come out as the mask value."""
    if not x.is_input:
        raise Untranslatable(layer, "masks by values that a layer before it made")
    return x


def _pooled(graph: Graph, layer: Any, x: Value, pool: Any) -> Value:
    if not x.steps:
        raise Untranslatable(layer, "pools over something else than the steps")
    return over_steps(graph, x, pool(graph, x), layer.keepdims)


def over_steps(graph: Graph, x: Value, reduced: str, keepdims: bool) -> Value:
    """What is left of a sequence, windows x shape, with an axis of 1 in place of its steps if so asked."""
    if not keepdims:
        return Value(reduced, steps=False, shape=x.shape)
    kept = graph.add("Unsqueeze", reduced, np.array([x.at]))
    return Value(kept, steps=False, shape=(*x.shape[: x.at - 1], 1, *x.shape[x.at - 1 :]))

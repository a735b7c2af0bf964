"""Layers and operators of `keras.ops` that put several tensors together, or reduce one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.mixing import greatest, mean, total
from pipeline.scoring.translate.values import Untranslatable, Value

Merge = Callable[[Graph, Any, list[Value]], Value]


def merged(operator: str, average: bool = False) -> Merge:
    """A merging layer that applies the operator from left to right."""

    def merge(graph: Graph, layer: Any, values: list[Value]) -> Value:
        result = values[0]
        for value in values[1:]:
            result = _elementwise(graph, layer, operator, result, value)
        if not average:
            return result
        return Value(graph.add("Mul", result.name, np.array(1 / len(values), np.float32)), result.steps, result.shape)

    return merge


def concatenate(graph: Graph, layer: Any, values: list[Value]) -> Value:
    first = values[0]
    last = len(first.shape) + int(first.steps)
    if layer.axis not in (-1, last) or any(value.steps != first.steps for value in values):
        raise Untranslatable(layer, "does not join features")
    width = sum(value.shape[-1] for value in values)
    return Value(graph.add("Concat", *(value.name for value in values), axis=-1), first.steps, (*first.shape[:-1], width))


def binary(operator: str) -> Callable[[Graph, Any, Any, Any], Value]:
    """An operator of `keras.ops` between tensors, or a tensor and a number."""

    def apply(graph: Graph, operation: Any, left: Any, right: Any) -> Value:
        return _elementwise(graph, operation, operator, left, right)

    return apply


def sum_over(graph: Graph, operation: Any, x: Value) -> Value:
    return _reduced(operation, x, total(graph, x) if x.steps else "")


def mean_over(graph: Graph, operation: Any, x: Value) -> Value:
    return _reduced(operation, x, mean(graph, x) if x.steps else "")


def max_over(graph: Graph, operation: Any, x: Value) -> Value:
    return _reduced(operation, x, greatest(graph, x) if x.steps else "")


def item(graph: Graph, operation: Any, x: Value, key: Any) -> Value:
    """`x[:, -1]` and `x[:, -1, :]`: the last step."""
    everything = slice(None)
    parts = list(key) if isinstance(key, list | tuple) else [key]
    if not x.steps or parts[:2] != [everything, -1] or any(part not in (everything, Ellipsis) for part in parts[2:]):
        raise Untranslatable(operation, f"takes {key}; only the last step, x[:, -1], has a translation")
    return Value(graph.last_step(x), steps=False, shape=x.shape)


def _elementwise(graph: Graph, layer: Any, operator: str, left: Any, right: Any) -> Value:
    values = [side for side in (left, right) if isinstance(side, Value)]
    if len({(value.steps, len(value.shape)) for value in values}) != 1:
        raise Untranslatable(layer, "combines tensors of different ranks")
    operands = [side.name if isinstance(side, Value) else np.asarray(side, np.float32) for side in (left, right)]
    if any(not isinstance(operand, str) and operand.ndim for operand in operands):
        raise Untranslatable(layer, "combines a tensor with an array of its own")
    shape = np.broadcast_shapes(*(value.shape for value in values))
    return Value(graph.add(operator, *operands), values[0].steps, shape)


def _reduced(operation: Any, x: Value, reduced: str) -> Value:
    axis = operation.axis if isinstance(operation.axis, int) else (*(operation.axis or ()), None)[0]
    if not x.steps or axis not in (1, -1 - len(x.shape)) or operation.keepdims:
        raise Untranslatable(operation, "reduces something else than the steps")
    return Value(reduced, steps=False, shape=x.shape)

"""Layers and operators of `keras.ops` that put several tensors together, or reduce one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.mixing import greatest, mean, over_steps, total
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
        return replace(result, name=graph.add("Mul", result.name, np.array(1 / len(values), np.float32)))

    return merge


def concatenate(graph: Graph, layer: Any, values: list[Value]) -> Value:
    """The layer, or the operation, over features."""
    first = values[0]
    last = len(first.axes)
    if layer.axis not in (-1, last) or any(value.steps != first.steps for value in values):
        raise Untranslatable(layer, "does not join features")
    width = sum(value.shape[-1] for value in values)
    return Value(graph.add("Concat", *(value.name for value in values), axis=-1), first.steps, (*first.shape[:-1], width))


def binary(operator: str) -> Callable[[Graph, Any, Any, Any], Value]:
    """An operator of `keras.ops` between tensors, or a tensor and a number."""

    def apply(graph: Graph, operation: Any, left: Any, right: Any) -> Value:
        return _elementwise(graph, operation, operator, left, right)

    return apply


def reduced(operator: str, over_real_steps: Callable[[Graph, Value], str]) -> Callable[[Graph, Any, Value], Value]:
    """An operation of `keras.ops` that reduces one axis: the steps, or another one by ONNX's operator."""

    def apply(graph: Graph, operation: Any, x: Value) -> Value:
        given = operation.axis if isinstance(operation.axis, int) else (*(operation.axis or ()), 0)[0]
        axis = given % (len(x.axes) + 1)
        if axis == 0 or (not isinstance(operation.axis, int) and len(operation.axis) != 1):
            raise Untranslatable(operation, "reduces something else than the steps or one axis of features")
        if x.steps and axis == x.at:
            return over_steps(graph, x, over_real_steps(graph, x), operation.keepdims)
        before = axis - 1 - (1 if x.steps and axis > x.at else 0)
        place = [graph.lead(x) + before]
        # From opset 18 on all of them take the axes as an input; here ReduceSum alone does.
        operands, attributes = ([np.array(place)], {}) if operator == "ReduceSum" else ([], {"axes": place})
        name = graph.add(operator, x.name, *operands, keepdims=int(operation.keepdims), **attributes)
        shape = (*x.shape[:before], *((1,) if operation.keepdims else ()), *x.shape[before + 1 :])
        at = x.at - (1 if x.steps and axis < x.at and not operation.keepdims else 0)
        return Value(name, x.steps, shape, at=at)

    return apply


sum_over, mean_over, max_over = reduced("ReduceSum", total), reduced("ReduceMean", mean), reduced("ReduceMax", greatest)


def _elementwise(graph: Graph, layer: Any, operator: str, left: Any, right: Any) -> Value:
    sides = [side if isinstance(side, Value) else np.asarray(side, np.float32) for side in (left, right)]
    values = [side for side in sides if isinstance(side, Value)]
    if any(not isinstance(side, Value) and side.ndim for side in sides):
        raise Untranslatable(layer, "combines a tensor with an array of its own")
    if len({len(value.axes) for value in values}) != 1:
        raise Untranslatable(layer, "combines tensors of different ranks")
    sequence = next((value for value in values if value.steps), values[0])
    lying = [_along(graph, layer, sequence, side) if isinstance(side, Value) else side for side in sides]
    operands = [side.name if isinstance(side, Value) else side for side in lying]
    shape = np.broadcast_shapes(*(side.shape for side in lying))
    return Value(graph.add(operator, *operands), sequence.steps, shape, at=sequence.at)


def _along(graph: Graph, layer: Any, sequence: Value, value: Value) -> Value:
    """The value as it lies where it meets the sequence: one with an axis of 1 where the other has its steps meets every step."""
    if value.steps == sequence.steps:
        if value.at != sequence.at:
            raise Untranslatable(layer, "combines tensors whose steps are on different axes")
        return value
    if value.shape[sequence.at - 1] != 1:
        raise Untranslatable(layer, "combines steps with a fixed number of them")
    graph.require_whole_windows()
    shape = (*value.shape[: sequence.at - 1], *value.shape[sequence.at :])
    return Value(graph.add("Reshape", value.name, np.array([0, *shape])), steps=True, shape=shape, at=sequence.at)

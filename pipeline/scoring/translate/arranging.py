"""Layers and operators of `keras.ops` that give a tensor other axes, or another order of them, and leave its numbers as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.values import Untranslatable, Value


def flatten(graph: Graph, layer: Any, x: Value) -> Value:
    if x.steps and prod(x.shape) != 1:
        raise Untranslatable(layer, "needs a fixed number of steps")
    return _with_axes(graph, layer, x, (None,) if x.steps else (prod(x.shape),))


def reshape(graph: Graph, layer: Any, x: Value) -> Value:
    """`Reshape`, whose target has no axis for the windows."""
    target = tuple(layer.target_shape)
    if x.steps:
        return _with_axes(graph, layer, x, _with_steps(layer, x, target))
    size, known = prod(x.shape), [number for number in target if number != -1]
    return _with_axes(graph, layer, x, tuple(size // prod(known) if number == -1 else number for number in target))


def permute(graph: Graph, layer: Any, x: Value) -> Value:
    return _in_order(graph, layer, x, list(layer.dims))


def transpose(graph: Graph, operation: Any, x: Value) -> Value:
    axes = list(operation.axes or reversed(range(len(x.axes) + 1)))
    if axes[0] != 0:
        raise Untranslatable(operation, "moves the axis of the windows")
    return _in_order(graph, operation, x, [axis % (len(x.axes) + 1) for axis in axes[1:]])


def swap_axes(graph: Graph, operation: Any, x: Value) -> Value:
    rank = len(x.axes) + 1
    first, second = operation.axis1 % rank, operation.axis2 % rank
    if 0 in (first, second):
        raise Untranslatable(operation, "moves the axis of the windows")
    order = list(range(1, rank))
    order[first - 1], order[second - 1] = second, first
    return _in_order(graph, operation, x, order)


def repeat_vector(graph: Graph, layer: Any, x: Value) -> Value:
    """One axis becomes two: the repetitions, then what is repeated."""
    lead = graph.lead(x)
    apart = graph.add("Unsqueeze", x.name, np.array([lead]))
    repeated = graph.add("Expand", apart, np.array([*(1 for _ in range(lead)), layer.n, *(1 for _ in x.shape)]))
    return replace(x, name=repeated, shape=(layer.n, *x.shape), at=2 if x.steps else 1, is_input=False)


def expand_dims(graph: Graph, operation: Any, x: Value) -> Value:
    axes = list(x.axes)
    axis = operation.axis if isinstance(operation.axis, int) else (*operation.axis, 0)[0]
    axis %= len(axes) + 2
    if axis == 0:
        raise Untranslatable(operation, "adds an axis before the windows")
    return _with_axes(graph, operation, x, (*axes[: axis - 1], 1, *axes[axis - 1 :]))


def squeeze(graph: Graph, operation: Any, x: Value) -> Value:
    rank, given = len(x.axes) + 1, operation.axis
    dropped = {axis % rank for axis in ([given] if isinstance(given, int) else given or ())}
    return without_axes(graph, operation, x, dropped)


def item(graph: Graph, operation: Any, x: Value, key: Any) -> Value:
    """`x[:, -1]`, the last step, and the only element of an axis, as in `x[:, :, 0]`."""
    everything = (slice(None), Ellipsis)
    parts = list(key) if isinstance(key, list | tuple) else [key]
    chosen = {place for place, part in enumerate(parts) if part not in everything}
    if parts[0] == everything[0] and chosen == {1} and parts[1] == -1 and x.is_plain and x.steps:
        return Value(graph.last_step(x), steps=False, shape=x.shape)
    sizes = dict(enumerate(x.axes, start=1))
    if Ellipsis in parts or not chosen or any(sizes.get(place) != 1 or parts[place] not in (0, -1) for place in chosen):
        raise Untranslatable(operation, f"takes {key}; only the last step, x[:, -1], has a translation")
    return without_axes(graph, operation, x, chosen)


def without_axes(graph: Graph, operation: Any, x: Value, dropped: set[int]) -> Value:
    """Drops axes of size 1, by Keras's numbers."""
    axes = tuple(size for axis, size in enumerate(x.axes, start=1) if axis not in dropped)
    if len(axes) + len(dropped) != len(x.axes) or prod(size or 1 for size in axes) != prod(size or 1 for size in x.axes):
        raise Untranslatable(operation, "drops an axis of more than one element")
    return _with_axes(graph, operation, x, axes)


def _with_steps(layer: Any, x: Value, target: tuple[int, ...]) -> tuple[int | None, ...]:
    """The target with None for the steps: the axis before and after which there is as much as there was."""
    before, after = prod(x.shape[: x.at - 1]), prod(x.shape[x.at - 1 :])
    for place in range(len(target)):
        if prod(target[:place]) == before and prod(target[place + 1 :]) == after:
            return (*target[:place], None, *target[place + 1 :])
    raise Untranslatable(layer, "needs a fixed number of steps")


def _with_axes(graph: Graph, layer: Any, x: Value, axes: Sequence[int | None]) -> Value:
    """The same elements in the same order; a sequence has as many before its steps, and after them, as it had."""
    shape = tuple(size for size in axes if size is not None)
    at = axes.index(None) + 1 if x.steps else 1
    if x.steps and prod(shape[: at - 1]) != prod(x.shape[: x.at - 1]):
        raise Untranslatable(layer, "needs a fixed number of steps")
    if shape == x.shape:
        return replace(x, at=at)
    return Value(graph.add("Reshape", x.name, np.array([*(0 for _ in range(graph.lead(x))), *shape])), x.steps, shape, at=at)


def _in_order(graph: Graph, layer: Any, x: Value, order: list[int]) -> Value:
    """Keras's axes after the windows' in another order; `order` counts them from 1."""
    if sorted(order) != list(range(1, len(x.axes) + 1)):
        raise Untranslatable(layer, "does not keep every axis")
    at = order.index(x.at) + 1 if x.steps else 1
    places = [axis - 1 - (1 if x.steps and axis > x.at else 0) for axis in order if not (x.steps and axis == x.at)]
    shape = tuple(x.shape[place] for place in places)
    if places == sorted(places):
        return replace(x, at=at)
    lead = graph.lead(x)
    moved = graph.add("Transpose", x.name, perm=[*range(lead), *(lead + place for place in places)])
    return Value(moved, x.steps, shape, at=at)

"""Attention, AdditiveAttention and MultiHeadAttention: each query looks at the real steps of the keys.

The shares that the steps have can be had for queries that are no steps themselves: a state of the window, say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.values import Untranslatable, Value

_LOWEST = np.array(np.finfo(np.float32).min, np.float32)


Found = Value | list[Value | Untranslatable]
"""What was looked up; with the shares where they were asked for."""


def attention(graph: Graph, layer: Any, given: list[Value], return_attention_scores: bool = False) -> Found:
    """Scores are products of query and key, times a learned number where there is one."""
    if layer.score_mode != "dot":
        raise Untranslatable(layer, f"has score_mode {layer.score_mode}, which has no translation")
    query, value, key = (*given, given[1])[:3]
    keys = graph.add("Transpose", graph.batch_major(key), perm=[0, 2, 1])
    scores = graph.add("MatMul", graph.batch_major(query), keys)
    if layer.use_scale:
        scores = graph.add("Mul", scores, np.asarray(layer.get_weights()[0]))
    found, shares = _looked_up(graph, scores, query, value)
    return [found, _shares(graph, layer, shares, query, value)] if return_attention_scores else found


def additive_attention(graph: Graph, layer: Any, given: list[Value], return_attention_scores: bool = False) -> Found:
    """Scores are sums over features of scale x tanh(query + key)."""
    query, value, key = (*given, given[1])[:3]
    queries = graph.add("Unsqueeze", graph.batch_major(query), np.array([2]))
    keys = graph.add("Unsqueeze", graph.batch_major(key), np.array([1]))
    terms = graph.add("Tanh", graph.add("Add", queries, keys))
    if layer.use_scale:
        terms = graph.add("Mul", terms, np.asarray(layer.get_weights()[0]))
    scores = graph.add("ReduceSum", terms, np.array([3]), keepdims=0)
    found, shares = _looked_up(graph, scores, query, value)
    return [found, _shares(graph, layer, shares, query, value)] if return_attention_scores else found


def multi_head_attention(
    graph: Graph, layer: Any, query: Value, value: Value, key: Value | None = None, return_attention_scores: bool = False
) -> Found:
    """Heads side by side: windows x heads x queries x keys."""
    config = layer.get_config()
    if config.get("attention_axes") not in (None, [1], (1,)) or config.get("output_shape") is not None:
        raise Untranslatable(layer, "has attention_axes or an output_shape, which have no translation")
    weights = iter(layer.get_weights())
    heads = config["num_heads"]

    def projected(x: Value) -> str:
        """Windows x heads x steps x size; kernel: features x heads x size, bias: heads x size (keras, multi_head_attention.py)."""
        kernel = next(weights)
        product = graph.add("MatMul", graph.batch_major(x), kernel.reshape(kernel.shape[0], -1))
        if config["use_bias"]:
            product = graph.add("Add", product, next(weights).reshape(-1))
        return graph.add("Transpose", graph.add("Reshape", product, np.array([0, 0, heads, kernel.shape[2]])), perm=[0, 2, 1, 3])

    queries, keys, values = projected(query), projected(key or value), projected(_defined(graph, value))
    scores = graph.add("MatMul", queries, graph.add("Transpose", keys, perm=[0, 1, 3, 2]))
    scores = graph.add("Mul", scores, np.array(config["key_dim"] ** -0.5, np.float32))
    shares = graph.add("Softmax", _masked(graph, scores, value, heads=True), axis=-1)
    found = graph.add("Transpose", graph.add("MatMul", shares, values), perm=[0, 2, 1, 3])
    kernel = next(weights)
    together = graph.add("MatMul", graph.add("Reshape", found, np.array([0, 0, -1])), kernel.reshape(-1, kernel.shape[-1]))
    if config["use_bias"]:
        together = graph.add("Add", together, next(weights))
    attended = _like_query(graph, together, query, kernel.shape[-1])
    return [attended, _shares(graph, layer, shares, query, value, heads)] if return_attention_scores else attended


def _looked_up(graph: Graph, scores: str, query: Value, value: Value) -> tuple[Value, str]:
    """The values by their shares, and the shares; `scores`: windows x queries x keys."""
    shares = graph.add("Softmax", _masked(graph, scores, value), axis=-1)
    found = graph.add("MatMul", shares, graph.batch_major(_defined(graph, value)))
    return _like_query(graph, found, query, value.shape[-1]), shares


def _shares(graph: Graph, layer: Any, shares: str, query: Value, value: Value, *heads: int) -> Value | Untranslatable:
    """Keras's windows x (heads x) queries x steps."""
    if query.steps or not value.steps:
        return Untranslatable(layer, "has attention scores between steps, which have no translation")
    last = 2 + len(heads)
    moved = graph.add("Transpose", shares, perm=[last, *range(last)])
    return Value(moved, steps=True, shape=(*heads, *query.shape[:-1]), at=last)


def _defined(graph: Graph, value: Value) -> Value:
    """Padding weighs 0, but 0 times an undefined value may be NaN."""
    return Value(graph.with_padding(value, 0), steps=True, shape=value.shape) if value.steps else value


def _masked(graph: Graph, scores: str, value: Value, heads: bool = False) -> str:
    if not value.steps:
        return scores
    over_keys = graph.add("Transpose", graph.real, perm=[1, 2, 0])
    return graph.add("Where", graph.add("Unsqueeze", over_keys, np.array([1])) if heads else over_keys, scores, _LOWEST)


def _like_query(graph: Graph, found: str, query: Value, width: int) -> Value:
    if query.steps:
        return Value(graph.add("Transpose", found, perm=[1, 0, 2]), steps=True, shape=(width,))
    return Value(found, steps=False, shape=(*query.shape[:-1], width))

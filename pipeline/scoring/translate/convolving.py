"""Convolutions over the real steps of a window; beyond its ends there are zeros, as there are in Keras for the window alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.pointwise import activate
from pipeline.scoring.translate.values import Untranslatable, Value


def conv1d(graph: Graph, layer: Any, x: Value) -> Value:
    """Only such as give a step for each step: padding `causal` or `same`, stride 1."""
    if not x.steps or layer.padding not in ("causal", "same") or tuple(layer.strides) != (1,):
        raise Untranslatable(layer, f"with padding {layer.padding} and strides {layer.strides} does not give a step for each step")
    graph.require_whole_windows()
    (dilation,) = layer.dilation_rate
    kernel, *bias = layer.get_weights()  # width x features x filters
    reach = (kernel.shape[0] - 1) * dilation
    before = reach if layer.padding == "causal" else reach // 2
    features_first = graph.add("Transpose", graph.with_padding(x, 0), perm=[1, 2, 0])
    operands = (features_first, kernel.transpose(2, 1, 0), *bias)
    found = graph.add("Conv", *operands, dilations=[dilation], group=layer.groups, pads=[before, reach - before])
    sequence = graph.add("Transpose", found, perm=[2, 0, 1])
    return replace(x, name=activate(graph, layer, sequence), shape=(kernel.shape[2],), is_input=False)

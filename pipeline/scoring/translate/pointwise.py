"""Layers that work on each step by itself: dense, activations, normalizations. The same for a sequence and for a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.translate.graph import Graph
from pipeline.scoring.translate.mixing import softmax_over
from pipeline.scoring.translate.values import Untranslatable, Value

Activate = Callable[[Graph, str], str]


def _operator(name: str, **attributes: float) -> Activate:
    return lambda graph, x: graph.add(name, x, **attributes)


def _number(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def _hard_sigmoid(graph: Graph, x: str) -> str:
    # relu6(x + 3) / 6; ONNX's own default has another slope.
    return graph.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def _gelu(graph: Graph, x: str) -> str:
    half = graph.add("Mul", x, _number(0.5))
    return graph.add("Mul", half, graph.add("Add", graph.add("Erf", graph.add("Mul", x, _number(0.5**0.5))), _number(1)))


def _times(gate: Activate) -> Activate:
    return lambda graph, x: graph.add("Mul", x, gate(graph, x))


ACTIVATIONS: dict[str, Activate] = {
    "linear": lambda graph, x: x,
    "relu": _operator("Relu"),
    "relu6": lambda graph, x: graph.add("Clip", x, _number(0), _number(6)),
    "leaky_relu": _operator("LeakyRelu", alpha=0.2),
    "elu": _operator("Elu"),
    "selu": _operator("Selu"),
    "gelu": _gelu,
    "sigmoid": _operator("Sigmoid"),
    "hard_sigmoid": _hard_sigmoid,
    "silu": _times(_operator("Sigmoid")),
    "hard_silu": _times(_hard_sigmoid),
    "mish": _times(lambda graph, x: graph.add("Tanh", graph.add("Softplus", x))),
    "tanh": _operator("Tanh"),
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "exponential": _operator("Exp"),
    "softmax": _operator("Softmax", axis=-1),
    "log_softmax": _operator("LogSoftmax", axis=-1),
}
"""By the name that Keras's configuration of a layer gives."""

# Where the last axis is one of steps they are not the same for each step.
_OVER_AXIS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


def activate(graph: Graph, layer: Any, x: str) -> str:
    """Applies the activation of a layer's configuration."""
    activation = layer.get_config()["activation"]
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise Untranslatable(layer, f"has the activation {activation}, which has no translation")
    return ACTIVATIONS[activation](graph, x)


def identity(graph: Graph, layer: Any, x: Value) -> Value:
    """Layers that do something in training only."""
    return x


def dense(graph: Graph, layer: Any, x: Value) -> Value:
    kernel, *bias = layer.get_weights()
    product = graph.add("MatMul", x.name, kernel)
    return Value(activate(graph, layer, graph.add("Add", product, bias[0]) if bias else product), x.steps, (*x.shape[:-1], kernel.shape[1]))


def activation(graph: Graph, layer: Any, x: Value) -> Value:
    name = layer.get_config()["activation"]
    if name in _OVER_AXIS and not x.is_plain:
        return softmax_over(graph, x, len(x.axes), _OVER_AXIS[name])
    return replace(x, name=activate(graph, layer, x.name), is_input=False)


def applied(name: str) -> Callable[[Graph, Any, Value], Value]:
    """An operation of `keras.ops` that is one of the activations, other than a softmax."""
    return lambda graph, operation, x: replace(x, name=ACTIVATIONS[name](graph, x.name), is_input=False)


def relu(graph: Graph, layer: Any, x: Value) -> Value:
    if layer.negative_slope or layer.threshold:
        raise Untranslatable(layer, "has a slope or a threshold; LeakyReLU is translated")
    most = [] if layer.max_value is None else [_number(layer.max_value)]
    return Value(graph.add("Clip", x.name, _number(0), *most), x.steps, x.shape)


def leaky_relu(graph: Graph, layer: Any, x: Value) -> Value:
    return Value(graph.add("LeakyRelu", x.name, alpha=float(layer.negative_slope)), x.steps, x.shape)


def elu(graph: Graph, layer: Any, x: Value) -> Value:
    return Value(graph.add("Elu", x.name, alpha=float(layer.alpha)), x.steps, x.shape)


def layer_normalization(graph: Graph, layer: Any, x: Value) -> Value:
    _require_features(layer, x, layer.axis)
    if getattr(layer, "rms_scaling", False):
        raise Untranslatable(layer, "has rms_scaling, which has no translation")
    weights = list(layer.get_weights())
    scale = weights.pop(0) if layer.scale else np.ones(x.shape[-1:], np.float32)
    centre = weights.pop(0) if layer.center else np.zeros(x.shape[-1:], np.float32)
    return Value(graph.add("LayerNormalization", x.name, scale, centre, epsilon=float(layer.epsilon)), x.steps, x.shape)


def batch_normalization(graph: Graph, layer: Any, x: Value) -> Value:
    """With the moving averages, as in inference: gamma (x - mean) / sqrt(variance + epsilon) + beta."""
    _require_features(layer, x, layer.axis)
    *trained, mean, variance = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    factor = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * trained.pop(0)
    offset = (trained.pop(0) if layer.center else 0) - mean * factor
    return _scaled(graph, x, factor, offset)


def normalization(graph: Graph, layer: Any, x: Value) -> Value:
    """(x - mean) / max(sqrt(variance), epsilon), with Keras's epsilon of 1e-7."""
    if layer.invert:
        raise Untranslatable(layer, "inverts, which has no translation")
    mean, variance = (np.asarray(number, np.float64).reshape(-1) for number in (layer.mean, layer.variance))
    if len(mean) not in (1, *x.shape[-1:]):
        raise Untranslatable(layer, "normalizes over steps, which has no translation")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    centred = graph.add("Sub", x.name, mean.astype(np.float32))
    return Value(graph.add("Div", centred, deviation.astype(np.float32)), x.steps, x.shape)


def rescaling(graph: Graph, layer: Any, x: Value) -> Value:
    return replace(_scaled(graph, x, layer.scale, layer.offset), is_input=x.is_input)


def _scaled(graph: Graph, x: Value, factor: Any, offset: Any) -> Value:
    product = graph.add("Mul", x.name, np.asarray(factor, np.float32))
    return Value(graph.add("Add", product, np.asarray(offset, np.float32)), x.steps, x.shape)


def _require_features(layer: Any, x: Value, axis: Any) -> None:
    axes = axis if isinstance(axis, list | tuple) else [axis]
    last = len(x.axes)
    if [number if number >= 0 else last + 1 + number for number in axes] != [last]:
        raise Untranslatable(layer, f"normalizes over axis {axis}; only the last one has a translation")

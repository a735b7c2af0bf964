"""Layers, as random models have them: such as give a sequence, such as give a vector, and such as only look back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.scoring.keras_engine import keras

layers, ops = keras.layers, keras.ops
Part = Callable[[np.random.Generator, Any], Any]
_DENSE_ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "silu"),
    *("hard_silu", "mish", "tanh", "softplus", "softsign", "exponential", "softmax", "log_softmax"),
)


def pick(random: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    """One of them."""
    return choices[random.integers(len(choices))]


def activation(random: np.random.Generator) -> str:
    """Any that a Dense may have."""
    return str(random.choice(_DENSE_ACTIVATIONS))


def _recurrent(random: np.random.Generator, return_sequences: bool) -> Any:
    units = int(random.integers(1, 6))
    common: dict[str, Any] = {"return_sequences": return_sequences, "use_bias": bool(random.random() < 0.8)}
    match random.integers(4):
        case 0:
            return layers.GRU(units, reset_after=bool(random.random() < 0.5), **common)
        case 1:
            return layers.SimpleRNN(units, **common)
        case 2:
            gates = str(random.choice(["sigmoid", "hard_sigmoid"]))
            return layers.LSTM(units, activation=str(random.choice(["tanh", "softsign", "elu"])), recurrent_activation=gates, **common)
    return layers.LSTM(units, **common)


def _bidirectional(random: np.random.Generator, return_sequences: bool) -> Any:
    mode = str(random.choice(["concat", "sum", "mul", "ave"]))
    return layers.Bidirectional(_recurrent(random, return_sequences), merge_mode=mode)


def _attended(random: np.random.Generator, x: Any) -> Any:
    match random.integers(3):
        case 0:
            return layers.Attention(use_scale=bool(random.random() < 0.5))([x, x])
        case 1:
            return layers.AdditiveAttention(use_scale=bool(random.random() < 0.5))([x, x])
    heads = layers.MultiHeadAttention(int(random.integers(1, 4)), int(random.integers(1, 4)), use_bias=bool(random.random() < 0.5))
    return heads(query=x, value=x)


def _residual(random: np.random.Generator, x: Any) -> Any:
    other = layers.Dense(x.shape[-1], activation=activation(random))(x)
    return pick(random, (layers.Add, layers.Multiply, layers.Average, layers.Subtract, layers.Maximum, layers.Minimum))()([x, other])


def _nested(random: np.random.Generator, x: Any) -> Any:
    return keras.Sequential([keras.Input((None, x.shape[-1])), layers.Dense(3, activation="tanh"), layers.Dropout(0.2)])(x)


def _convolution(random: np.random.Generator, x: Any) -> Any:
    groups = x.shape[-1] if random.random() < 0.3 else 1
    padding, form = str(random.choice(["causal", "same"])), {"dilation_rate": int(random.integers(1, 4)), "groups": groups}
    return layers.Conv1D(2 * groups, int(random.integers(1, 6)), padding=padding, activation=activation(random), **form)(x)


POINTWISE: tuple[Part, ...] = (
    lambda random, x: layers.Dense(3, activation=activation(random), use_bias=bool(random.random() < 0.7))(x),
    lambda random, x: layers.Activation(activation(random))(x),
    lambda random, x: layers.Dropout(0.3)(x),
    lambda random, x: layers.GaussianNoise(0.3)(x),
    lambda random, x: layers.LayerNormalization(center=bool(random.random() < 0.7), scale=bool(random.random() < 0.7))(x),
    lambda random, x: layers.BatchNormalization(center=bool(random.random() < 0.7), scale=bool(random.random() < 0.7))(x),
    lambda random, x: layers.Rescaling(float(random.normal()), float(random.normal()))(x),
    lambda random, x: layers.Normalization(mean=random.normal(size=x.shape[-1]), variance=random.uniform(0.5, 2, x.shape[-1]))(x),
    lambda random, x: layers.ReLU(max_value=1.5)(x),
    lambda random, x: layers.LeakyReLU()(x),
    lambda random, x: layers.ELU(0.7)(x),
    lambda random, x: pick(random, (ops.tanh, ops.sigmoid, ops.relu))(x),
)
CAUSAL: tuple[Part, ...] = (
    *(lambda random, x: pick(random, POINTWISE)(random, x),) * 3,
    *(lambda random, x: _recurrent(random, return_sequences=True)(x),) * 4,
    lambda random, x: layers.SpatialDropout1D(0.2)(x),
    lambda random, x: layers.TimeDistributed(layers.Dense(2, activation="tanh"))(x),
    lambda random, x: layers.Concatenate()([x, layers.Dense(2)(x)]),
    _residual,
    _nested,
)
"""Sequences of which a step depends on the steps up to it."""

SEQUENCES: tuple[Part, ...] = (
    *CAUSAL,
    *(lambda random, x: _bidirectional(random, return_sequences=True)(x),) * 2,
    *(_convolution,) * 2,
    _attended,
)


def _weights(random: np.random.Generator, x: Any) -> Any:
    """Windows x steps x 1, which sum up to 1 over the steps."""
    scores = layers.Dense(1)(layers.Dense(3, activation="tanh")(x))
    # Keras's Softmax cannot be given a mask over features; what keras.ops give has none.
    return pick(random, (lambda s: ops.softmax(s, axis=1), lambda s: layers.Softmax(axis=1)(ops.tanh(s))))(scores)


def _summed(random: np.random.Generator, x: Any) -> Any:
    weights = _weights(random, x)
    return ops.sum(weights * x, axis=1), weights


def _multiplied(random: np.random.Generator, x: Any) -> Any:
    weights = _weights(random, x)
    turned = pick(random, (layers.Permute((2, 1)), lambda w: ops.swapaxes(w, 1, 2), lambda w: ops.transpose(w, (0, 2, 1))))(weights)
    return layers.Flatten()(ops.matmul(turned, x)), ops.squeeze(turned, axis=1)


def _repeated(random: np.random.Generator, x: Any) -> Any:
    """As tutorials did it before there were attention layers."""
    weights = layers.Activation("softmax")(ops.squeeze(layers.Dense(1, activation="tanh")(x), axis=-1))
    spread = layers.Permute((2, 1))(layers.RepeatVector(x.shape[-1])(weights))
    return ops.sum(layers.Multiply()([spread, x]), axis=1), weights


def _by_product(random: np.random.Generator, x: Any) -> Any:
    """After Luong: how much a step counts is its product with a state."""
    state = layers.Dense(x.shape[-1])(layers.LSTM(3)(x))
    weights = layers.Activation("softmax")(layers.Dot(axes=(2, 1))([x, state]))
    return layers.Dot(axes=1)([weights, x]), weights


def _by_sum(random: np.random.Generator, x: Any) -> Any:
    """After Bahdanau: how much a step counts is learned of its sum with a state."""
    state = ops.expand_dims(layers.LSTM(3)(x), axis=1)
    weights = ops.softmax(layers.Dense(1)(ops.tanh(layers.Dense(4)(x) + layers.Dense(4)(state))), axis=1)
    return ops.sum(weights * x, axis=1), weights[:, :, 0]


def _looked_up(random: np.random.Generator, x: Any) -> Any:
    state = layers.Reshape((1, x.shape[-1]))(layers.Dense(x.shape[-1])(layers.GRU(3)(x)))
    match random.integers(3):
        case 0:
            found, weights = layers.Attention()([state, x], return_attention_scores=True)
        case 1:
            found, weights = layers.AdditiveAttention()([state, x], return_attention_scores=True)
        case 2:
            found, weights = layers.MultiHeadAttention(1, 3)(state, x, return_attention_scores=True)
            weights = ops.squeeze(weights, axis=1)
    flat = pick(random, (layers.Reshape((-1,)), layers.Flatten(), lambda w: w[:, 0], lambda w: ops.squeeze(w, axis=1)))
    return layers.Flatten()(found), flat(weights)


WEIGHED: tuple[Part, ...] = (_summed, _multiplied, _repeated, _by_product, _by_sum, _looked_up)
"""Each gives a vector and the weights of the steps it was made with."""

CAUSAL_REDUCTIONS: tuple[Part, ...] = (
    *(lambda random, x: _recurrent(random, return_sequences=False)(x),) * 4,
    lambda random, x: layers.LSTM(3, return_sequences=True)(x)[:, -1],
    lambda random, x: layers.LSTM(3, return_sequences=True)(x)[:, -1, :],
    lambda random, x: layers.Concatenate()(layers.GRU(3, return_state=True)(x)),
)
REDUCTIONS: tuple[Part, ...] = (
    *CAUSAL_REDUCTIONS,
    *(lambda random, x: _bidirectional(random, return_sequences=False)(x),) * 2,
    lambda random, x: layers.GlobalAveragePooling1D()(x),
    lambda random, x: layers.Flatten()(layers.GlobalMaxPooling1D(keepdims=True)(x)),
    lambda random, x: layers.LSTM(3, go_backwards=True)(x),
    lambda random, x: layers.Concatenate()(layers.LSTM(3, return_state=True)(x)),
    lambda random, x: layers.Flatten()(layers.Dot(axes=1)([layers.Dense(1, activation="sigmoid")(x), x])),
    lambda random, x: pick(random, (ops.max, ops.mean, ops.sum))(x, axis=1),
    *(lambda random, x: pick(random, WEIGHED)(random, x)[0],) * 3,
)

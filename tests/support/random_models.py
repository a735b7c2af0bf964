"""Random Keras models over the layers that are translated to ONNX, and ragged windows for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.engine import Inputs, ModelSignature
from pipeline.scoring.keras_engine import keras

layers = keras.layers
VOCABULARY = 7
LENGTHS = (1, 2, 5, 13, 24)
_DENSE_ACTIVATIONS = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "silu"),
    *("hard_silu", "mish", "tanh", "softplus", "softsign", "exponential", "softmax", "log_softmax"),
)


class RandomModel(NamedTuple):
    """A model, what it takes and gives, and windows of `LENGTHS` steps."""

    keras: Any
    signature: ModelSignature
    windows: list[Inputs]

    @property
    def layers(self) -> list[str]:
        """The classes of its layers, for the message of a failure."""
        return [type(layer).__name__ for layer in self.keras.layers]

    def alone(self) -> NDArray[np.float32]:
        """What Keras gives for each window alone, without padding: windows x columns."""
        scores = [keras.tree.flatten(self.keras(window[None], training=False)) for window in self.windows]
        return np.concatenate([np.concatenate([np.asarray(column).reshape(1, -1) for column in row], axis=1) for row in scores])

    def padded(self, rubbish: float) -> tuple[Inputs, NDArray[np.int64]]:
        """All windows in one batch, with rubbish in the padding; and their lengths."""
        longest = max(LENGTHS) + 3
        batch = np.full((len(self.windows), longest, *self.windows[0].shape[1:]), rubbish, self.windows[0].dtype)
        for row, window in zip(batch, self.windows, strict=True):
            row[: len(window)] = window
        return batch, np.array([len(window) for window in self.windows], np.int64)


def random_model(seed: int) -> RandomModel:
    """A front, some layers that give sequences, one that gives a vector, and a head; the same for a seed."""
    random = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    integer, features = bool(random.random() < 0.25), int(random.integers(1, 5))
    inputs = keras.Input((None,), dtype="int32") if integer else keras.Input((None, features))
    x = layers.Embedding(VOCABULARY, features, mask_zero=True)(inputs) if integer else layers.Masking(float(random.choice([0, -1])))(inputs)
    for _ in range(random.integers(0, 4)):
        x = _pick(random, _SEQUENCES)(random, x)
    keeps_mask = bool(random.random() < 0.7)
    x = _pick(random, _MASKED_REDUCTIONS if keeps_mask else _OTHER_REDUCTIONS)(random, x)
    if random.random() < 0.4:
        # Keras's Softmax cannot be given a sequence with a mask.
        x = layers.Softmax()(x) if random.random() < 0.1 else _pick(random, _POINTWISE)(random, x)
    outputs = [layers.Dense(int(random.integers(1, 4)))(x)]
    if random.random() < 0.3:
        outputs.append(layers.Dense(2, activation=_activation(random))(x))
    model = keras.Model(inputs, outputs)
    _shake(random, model)
    columns = sum(output.shape[-1] for output in outputs)
    signature = ModelSignature(
        integer=integer,
        features=1 if integer else features,
        fixed_length=None,
        padding_value=0,
        vocabulary=VOCABULARY if integer else None,
        outputs=tuple(f"y{column}" for column in range(columns)),
    )
    return RandomModel(model, signature, [_window(random, signature, keeps_mask, length) for length in LENGTHS])


def _window(random: np.random.Generator, signature: ModelSignature, masked_codes: bool, length: int) -> Inputs:
    """Codes that are masked come after the first one: a window of nothing else has no score."""
    if signature.integer:
        codes = random.integers(0 if masked_codes else 1, VOCABULARY, length, np.int32)
        codes[0] = 1
        return codes
    return random.normal(0, random.choice([0.3, 3]), (length, signature.features)).astype(np.float32)


def _pick(random: np.random.Generator, choices: tuple[Any, ...]) -> Any:
    return choices[random.integers(len(choices))]


def _activation(random: np.random.Generator) -> str:
    return str(random.choice(_DENSE_ACTIVATIONS))


def _shake(random: np.random.Generator, model: Any) -> None:
    """Weights as after training: biases are not 0, variances not 1."""
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        value = np.asarray(weight) + random.normal(0, 0.1, weight.shape)
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.path else value)


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
    other = layers.Dense(x.shape[-1], activation=_activation(random))(x)
    return _pick(random, (layers.Add, layers.Multiply, layers.Average, layers.Subtract, layers.Maximum, layers.Minimum))()([x, other])


def _nested(random: np.random.Generator, x: Any) -> Any:
    return keras.Sequential([keras.Input((None, x.shape[-1])), layers.Dense(3, activation="tanh"), layers.Dropout(0.2)])(x)


Part = Callable[[np.random.Generator, Any], Any]
_POINTWISE: tuple[Part, ...] = (
    lambda random, x: layers.Dense(3, activation=_activation(random), use_bias=bool(random.random() < 0.7))(x),
    lambda random, x: layers.Activation(_activation(random))(x),
    lambda random, x: layers.Dropout(0.3)(x),
    lambda random, x: layers.GaussianNoise(0.3)(x),
    lambda random, x: layers.LayerNormalization(center=bool(random.random() < 0.7), scale=bool(random.random() < 0.7))(x),
    lambda random, x: layers.BatchNormalization(center=bool(random.random() < 0.7), scale=bool(random.random() < 0.7))(x),
    lambda random, x: layers.Rescaling(float(random.normal()), float(random.normal()))(x),
    lambda random, x: layers.Normalization(mean=random.normal(size=x.shape[-1]), variance=random.uniform(0.5, 2, x.shape[-1]))(x),
    lambda random, x: layers.ReLU(max_value=1.5)(x),
    lambda random, x: layers.LeakyReLU()(x),
    lambda random, x: layers.ELU(0.7)(x),
)
_SEQUENCES: tuple[Part, ...] = (
    *(lambda random, x: _pick(random, _POINTWISE)(random, x),) * 3,
    *(lambda random, x: _recurrent(random, return_sequences=True)(x),) * 4,
    *(lambda random, x: _bidirectional(random, return_sequences=True)(x),) * 2,
    lambda random, x: layers.SpatialDropout1D(0.2)(x),
    lambda random, x: layers.TimeDistributed(layers.Dense(2, activation="tanh"))(x),
    lambda random, x: layers.Concatenate()([x, layers.Dense(2)(x)]),
    _residual,
    _attended,
    _nested,
)


def _pooled_by_attention(random: np.random.Generator, x: Any) -> Any:
    shares = layers.Dense(1, activation="sigmoid")(x)
    return keras.ops.sum(shares * x, axis=1)


_MASKED_REDUCTIONS: tuple[Part, ...] = (
    *(lambda random, x: _recurrent(random, return_sequences=False)(x),) * 4,
    *(lambda random, x: _bidirectional(random, return_sequences=False)(x),) * 2,
    lambda random, x: layers.GlobalAveragePooling1D()(x),
    lambda random, x: layers.LSTM(3, go_backwards=True)(x),
    lambda random, x: layers.Concatenate()(layers.LSTM(3, return_state=True)(x)),
)
_OTHER_REDUCTIONS: tuple[Part, ...] = (
    lambda random, x: layers.GlobalMaxPooling1D()(layers.LSTM(3, return_sequences=True)(x)),
    lambda random, x: layers.LSTM(3, return_sequences=True)(x)[:, -1],
    lambda random, x: layers.LSTM(3, return_sequences=True)(x)[:, -1, :],
    lambda random, x: layers.Flatten()(layers.Dot(axes=1)([layers.Dense(1, activation="sigmoid")(x), x])),
    _pooled_by_attention,
)

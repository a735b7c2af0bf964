"""Models as tutorials write them: each scores every window as Keras does alone, or is refused with the layer and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelRefused
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.probe import same_scores
from tests.support.models import layers, save
from tests.support.windows import make_window, session_policy

MAX_LENGTH, FEATURES, VOCABULARY = 20, 3, 9
SENSORS = tuple(ContractSensor(f"sensor-{number}") for number in range(FEATURES))
CODES = (ContractSensor("mode", codes=tuple("abcdefgh")),)


def sequential(*parts: Any, shape: tuple[int | None, ...] = (None, FEATURES)) -> Any:
    return keras.Sequential([keras.Input(shape), *parts])


def functional(build: Callable[[Any], Any], shape: tuple[int | None, ...] = (None, FEATURES)) -> Any:
    inputs = keras.Input(shape)
    return keras.Model(inputs, build(inputs))


def steps_of(inputs: Any) -> Any:
    return layers.LSTM(6, return_sequences=True)(layers.Masking()(inputs))


def attended(inputs: Any) -> Any:
    steps = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(layers.Masking()(inputs))
    return layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.Attention()([steps, steps])))


def transformer_block(x: Any) -> Any:
    """Normalizes before the attention, which so takes the mask off a tensor that nobody else needs."""
    normalized = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 3)(normalized, normalized)])
    return layers.Add()([x, layers.Dense(6)(layers.Dense(8, activation="relu")(layers.LayerNormalization()(x)))])


def two_blocks(inputs: Any) -> Any:
    return layers.Dense(1)(layers.GlobalAveragePooling1D()(transformer_block(transformer_block(steps_of(inputs)))))


def real_steps(inputs: Any) -> Any:
    """Windows x steps; what Masking finds, as a tensor of the model."""
    return keras.ops.any(keras.ops.not_equal(inputs, 0.0), axis=-1)


def smoothed(inputs: Any) -> Any:
    return layers.Conv1D(4, 3, padding="same")(layers.Masking()(inputs))


def softmax_with_mask(inputs: Any) -> Any:
    steps = steps_of(inputs)
    shares = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(4, activation="tanh")(steps)), mask=real_steps(inputs)[..., None])
    return layers.Dense(1)(keras.ops.sum(shares * steps, axis=1))


def softmax_of_real_steps(inputs: Any) -> Any:
    steps = steps_of(inputs)
    scores = keras.ops.where(real_steps(inputs)[..., None], layers.Dense(1)(steps), -1e9)
    return layers.Dense(1)(keras.ops.sum(keras.ops.softmax(scores, axis=1) * steps, axis=1))


def looked_up(inputs: Any) -> Any:
    steps = steps_of(inputs)
    state = layers.Reshape((1, 6))(layers.LSTM(6)(steps))
    return layers.Dense(1)(layers.Flatten()(layers.AdditiveAttention()([state, steps])))


SCORED: dict[str, tuple[Callable[[], Any], str]] = {
    "the classic": (lambda: sequential(layers.Masking(), layers.LSTM(8), layers.Dense(1), shape=(MAX_LENGTH, FEATURES)), "onnx"),
    "the classic, any length, another mask value": (lambda: sequential(layers.Masking(-1.0), layers.LSTM(8), layers.Dense(1)), "onnx"),
    "sentiment": (
        lambda: sequential(
            layers.Embedding(VOCABULARY, 4, mask_zero=True), layers.LSTM(8), layers.Dense(1, activation="sigmoid"), shape=(None,)
        ),
        "onnx",
    ),
    "stacked": (
        lambda: sequential(
            layers.Masking(),
            *(layers.LSTM(8, return_sequences=True), layers.Dropout(0.2), layers.LSTM(4), layers.Dropout(0.2)),
            *(layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")),
        ),
        "onnx",
    ),
    "bidirectional with attention": (lambda: functional(attended), "onnx"),
    "encoder with TimeDistributed": (
        lambda: sequential(layers.Masking(), layers.TimeDistributed(layers.Dense(6, activation="relu")), layers.LSTM(4), layers.Dense(1)),
        "onnx",
    ),
    "GRU": (lambda: sequential(layers.Masking(), layers.GRU(8), layers.Dense(1)), "onnx"),
    "BatchNormalization between": (
        lambda: sequential(
            layers.Masking(), layers.LSTM(8, return_sequences=True), layers.BatchNormalization(), layers.LSTM(4), layers.Dense(1)
        ),
        "onnx",
    ),
    "averaged over time": (
        lambda: sequential(layers.Masking(), layers.LSTM(8, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(1)),
        "onnx",
    ),
    "two attention blocks, normalized first": (lambda: functional(two_blocks), "onnx"),
    "the last step by hand": (lambda: functional(lambda inputs: layers.Dense(1)(steps_of(inputs)[:, -1, :])), "onnx"),
    "flattened": (
        lambda: sequential(
            layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(1), shape=(MAX_LENGTH, FEATURES)
        ),
        "onnx-export",
    ),
    "convolution first, its mask given on": (
        lambda: functional(lambda inputs: layers.Dense(1)(layers.LSTM(4)(smoothed(inputs), mask=real_steps(inputs)))),
        "onnx",
    ),
    "attention by a Softmax that is given the mask": (lambda: functional(softmax_with_mask), "onnx"),
    "attention by keras.ops, the padding put out": (lambda: functional(softmax_of_real_steps), "onnx-export"),
    "a state looks at the steps": (lambda: functional(looked_up), "onnx"),
}


@pytest.mark.parametrize("name", SCORED)
def test_a_sound_model_scores_every_window_as_keras_does_alone(name: str, tmp_path: Path) -> None:
    build, engine = SCORED[name]
    keras.utils.set_random_seed(3)
    model = build()
    integer = len(model.inputs[0].shape) == 2
    sensors, width = (CODES, 1) if integer else (SENSORS, FEATURES)
    bundle = bundle_model(save(model, tmp_path), tmp_path / "bundle", sensors, session_policy(MAX_LENGTH))
    random = np.random.default_rng(1)
    rows = [
        random.integers(1, VOCABULARY, (length, 1)) if integer else random.normal(0, 2, (length, width)).astype(np.float32)
        for length in (1, 2, 7, 13, MAX_LENGTH)
    ]

    scorer = open_scorer(bundle)
    scores = scorer.score([make_window(row, [sensor.name for sensor in sensors]) for row in rows])

    assert scorer.identity.engine == engine
    assert same_scores(scores.outputs, np.concatenate([alone(model, row) for row in rows]))


def alone(model: Any, rows: Any) -> Any:
    """What Keras gives for one window without padding, or padded to the only length that the model takes."""
    length = model.inputs[0].shape[1]
    padded = np.concatenate([rows, np.zeros((length - len(rows), rows.shape[1]), rows.dtype)]) if length else rows
    return np.asarray(model(padded[None, :, 0] if len(model.inputs[0].shape) == 2 else padded[None]))


def two_plain_blocks(inputs: Any) -> Any:
    x = steps_of(inputs)
    for _ in range(2):
        x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 3)(x, x)]))
    return layers.Dense(1)(layers.GlobalAveragePooling1D()(x))


def additive_attention(inputs: Any) -> Any:
    steps = steps_of(inputs)
    weights = layers.Softmax(axis=1)(layers.Dense(1, activation="tanh")(steps))
    return layers.Dense(1)(layers.Flatten()(layers.Dot(axes=1)([weights, steps])))


def attention_by_ops(inputs: Any) -> Any:
    steps = steps_of(inputs)
    weights = keras.ops.softmax(layers.Dense(1, activation="tanh")(steps), axis=1)
    return layers.Dense(1)(keras.ops.sum(weights * steps, axis=1))


def trained(layer: Any) -> Any:
    """Not as new: a new normalization leaves a 0 a 0."""
    layer.build((None, None, FEATURES))
    layer.moving_mean.assign(np.ones(FEATURES))
    return layer


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "the broken cousin: Masking on (max_len,)": (
        lambda: sequential(layers.Masking(), layers.Reshape((MAX_LENGTH, 1)), layers.LSTM(4), layers.Dense(1), shape=(MAX_LENGTH,)),
        r"Masking is given \(batch, 20\) and masks whole windows; it takes \(batch, 20, 1\)",
    ),
    "no mask": (lambda: sequential(layers.LSTM(4), layers.Dense(1)), "has no mask, .* begin it with Masking"),
    "codes without a mask": (
        lambda: sequential(layers.Embedding(VOCABULARY, 4), layers.LSTM(4), layers.Dense(1), shape=(None,)),
        r"has no mask, .* begin it with Embedding\(mask_zero=True\)",
    ),
    "convolution after the mask": (
        lambda: sequential(layers.Masking(), layers.Conv1D(4, 3, padding="causal", name="smooth"), layers.LSTM(4), layers.Dense(1)),
        r"its layer smooth \(Conv1D\) drops the mask; use one that keeps it",
    ),
    "convolution before the mask": (
        lambda: sequential(layers.Conv1D(4, 3, padding="same", name="smooth"), layers.Masking(), layers.LSTM(4), layers.Dense(1)),
        r"its layer smooth \(Conv1D\) comes before the mask and changes the padding value; put Masking first",
    ),
    "BatchNormalization before the mask": (
        lambda: sequential(trained(layers.BatchNormalization(name="norm")), layers.Masking(), layers.LSTM(4), layers.Dense(1)),
        r"its layer norm \(BatchNormalization\) comes before the mask",
    ),
    "pooling that loses the mask": (
        lambda: sequential(layers.Masking(), layers.Dense(4), layers.GlobalMaxPooling1D(name="pool"), layers.Dense(1)),
        r"its layer pool \(GlobalMaxPooling1D\) pools padding too; use GlobalAveragePooling1D",
    ),
    "two attention blocks": (
        lambda: functional(two_plain_blocks),
        r"\(Add\) drops the mask, .* MultiHeadAttention takes it off its own input; give the attention LayerNormalization\(\)\(x\)",
    ),
    "attention by a Softmax layer": (
        lambda: functional(additive_attention),
        r"\(Softmax\) cannot take the mask of a sequence; weigh the steps with Attention and GlobalAveragePooling1D",
    ),
    "attention by keras.ops": (
        lambda: functional(attention_by_ops),
        r"operation softmax\w* \(Softmax\) drops the mask, as all of keras.ops do; .* pool with GlobalAveragePooling1D",
    ),
    "Lambda": (
        lambda: functional(lambda inputs: layers.Dense(1)(layers.Lambda(lambda x: x[:, -1], output_shape=(6,))(steps_of(inputs)))),
        "cannot load .*Lambda",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsound_model_is_refused_with_the_layer_and_the_remedy(name: str, tmp_path: Path) -> None:
    build, says = REFUSED[name]
    keras.utils.set_random_seed(3)
    model = build()
    sensors = CODES if len(model.inputs[0].shape) == 2 else SENSORS

    with pytest.raises(ModelRefused, match=says) as refused:
        bundle_model(save(model, tmp_path), tmp_path / "bundle", sensors, session_policy(MAX_LENGTH))
    assert "\n" not in str(refused.value)

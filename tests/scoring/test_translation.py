"""A translated model scores ragged windows, with rubbish in the padding, as Keras scores each of them alone.

SENSORLINE_SOAK=1 tries ten times as many random models, which takes some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.scoring.engine import Inputs, ModelInput, ModelSignature
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import padded_batch, same_scores
from pipeline.scoring.translate.model import translate
from pipeline.scoring.translate.values import Untranslatable
from tests.support.models import layers
from tests.support.random_models import LENGTHS, RandomModel, random_model

MODELS = 400 if os.environ.get("SENSORLINE_SOAK") == "1" else 40


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_models_score_as_keras_on_each_window_alone(seed: int) -> None:
    model = random_model(seed)
    engine = OnnxEngine(translate(model.keras, model.signature))
    alone = [model.alone(window) for window in model.windows]

    for rubbish in (0, 1e6, np.nan):
        inputs, lengths = batch(model, rubbish)
        outputs, step_outputs = engine.score(inputs, lengths, with_steps=True)
        for place, (length, expected) in enumerate(zip(lengths, alone, strict=True)):
            steps = [] if step_outputs is None else [step_outputs[place, :length].ravel()]
            found = np.concatenate([outputs[place], *steps])
            assert same_scores(found, expected), f"{model.layers}: {found} with {rubbish} in the padding, {expected} alone"


def batch(model: RandomModel, rubbish: float) -> tuple[list[Inputs], Any]:
    """All windows in one batch, and their lengths; numbers are padded with rubbish."""
    inputs, lengths = padded_batch(model.signature, model.windows, max(LENGTHS) + 3, rubbish=True)
    beyond = np.arange(max(LENGTHS) + 3) >= lengths[:, None]
    for steps in inputs:
        if steps.dtype == np.float32:
            steps[beyond] = rubbish
    return inputs, lengths


def test_numbers_per_step_are_computed_only_where_they_are_asked_for() -> None:
    inputs = keras.Input((None, 2), name="values")
    steps = layers.LSTM(3, return_sequences=True)(layers.Masking()(inputs))
    model = keras.Model(inputs, [layers.Dense(1)(layers.LSTM(2)(steps)), layers.Dense(2)(steps)])
    engine = OnnxEngine(translate(model, ModelSignature((ModelInput("values", 2),), None, ("y",), ("a", "b"))))
    given, lengths = [np.ones((2, 5, 2), np.float32)], np.array([5, 3])

    with_steps, without = engine.score(given, lengths, with_steps=True), engine.score(given, lengths)

    assert without.step_outputs is None
    assert with_steps.step_outputs is not None
    assert with_steps.step_outputs.shape == (2, 5, 2)
    assert np.array_equal(with_steps.outputs, without.outputs)


@keras.saving.register_keras_serializable("tests")
class Dense(layers.Layer):  # type: ignore[misc]
    """A layer of the user's own with the name of one of Keras's."""

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def strange_activation(x: Any) -> Any:
    return x * x


UNTRANSLATABLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a layer of the user's own": (lambda x: layers.LSTM(2)(Dense(name="own")(x)), r"layer own \(Dense\) has no translation"),
    "a Lambda": (lambda x: layers.LSTM(2)(layers.Lambda(strange_activation, name="own")(x)), r"layer own \(Lambda\) has no translation"),
    "an activation of the user's own": (
        lambda x: layers.Dense(1, activation=strange_activation, name="own")(layers.LSTM(2)(x)),
        r"layer own \(Dense\) has the activation",
    ),
    "an activation that no recurrent operator has": (
        lambda x: layers.GRU(2, activation="gelu", name="gru")(x),
        r"layer gru \(GRU\) has the activation gelu",
    ),
    "a convolution that gives fewer steps": (
        lambda x: layers.LSTM(2)(layers.Conv1D(2, 3, name="smooth")(x)),
        r"layer smooth \(Conv1D\) with padding valid .* does not give a step for each step",
    ),
    "a mask in the middle": (
        lambda x: layers.LSTM(2)(layers.Masking(name="again")(layers.Dense(2, activation="relu")(x))),
        r"layer again \(Masking\) masks by values that a layer before it made",
    ),
    "an initial state": (
        lambda x: layers.LSTM(2, name="decoder")(x, initial_state=layers.LSTM(2, return_state=True)(x)[1:]),
        r"layer decoder \(LSTM\) is called with initial_state",
    ),
    "cells put together": (lambda x: layers.RNN(layers.LSTMCell(2), name="rnn")(x), r"layer rnn \(RNN\) has no translation"),
    "another step than the last": (lambda x: layers.LSTM(2, return_sequences=True)(x)[:, 0], r"only the last step, x\[:, -1\]"),
    "steps where features should be": (
        lambda x: layers.Concatenate(name="join")([layers.Permute((2, 1))(x)] * 2),
        r"layer join \(Concatenate\) is given steps on another axis",
    ),
    "weights of every step for every step": (
        lambda x: layers.Attention(name="look")([x, x], return_attention_scores=True)[1],
        r"layer look \(Attention\) has attention scores between steps",
    ),
    "flattened steps": (lambda x: layers.Flatten(name="all")(x), r"layer all \(Flatten\) needs a fixed number of steps"),
}


@pytest.mark.parametrize("name", UNTRANSLATABLE)
def test_what_cannot_be_translated_is_named(name: str) -> None:
    build, says = UNTRANSLATABLE[name]
    inputs = keras.Input((None, 2), name="values")
    model = keras.Model(inputs, build(layers.Masking()(inputs)))

    with pytest.raises(Untranslatable, match=says):
        translate(model, ModelSignature((ModelInput("values", 2),), fixed_length=None, outputs=("y",)))


def test_a_model_that_gives_something_else_than_it_is_said_to_give_is_not_translated() -> None:
    inputs = keras.Input((None, 2), name="values")
    model = keras.Model(inputs, layers.Dense(2)(layers.LSTM(2)(layers.Masking()(inputs))))

    with pytest.raises(Untranslatable, match="gives 2 numbers per window and 0 per step"):
        translate(model, ModelSignature((ModelInput("values", 2),), fixed_length=None, outputs=("y",), step_outputs=("a",)))

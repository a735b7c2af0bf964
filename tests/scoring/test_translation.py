"""A translated model scores ragged windows, with rubbish in the padding, as Keras scores each of them alone.

SENSORLINE_SOAK=1 tries ten times as many random models, which takes some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.scoring.engine import ModelSignature
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import same_scores
from pipeline.scoring.translate.model import translate
from pipeline.scoring.translate.values import Untranslatable
from tests.support.models import layers
from tests.support.random_models import VOCABULARY, random_model

MODELS = 400 if os.environ.get("SENSORLINE_SOAK") == "1" else 40


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_models_score_as_keras_on_each_window_alone(seed: int) -> None:
    model = random_model(seed)
    engine = OnnxEngine(translate(model.keras, model.signature))
    alone = model.alone()

    for rubbish in (VOCABULARY - 1,) if model.signature.integer else (0, 1e6, np.nan):
        found = engine.score(*model.padded(rubbish))
        assert same_scores(found, alone), f"{model.layers}: {found} with {rubbish} in the padding, {alone} alone"


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
    "a convolution": (
        lambda x: layers.LSTM(2)(layers.Conv1D(2, 3, padding="causal", name="smooth")(x)),
        r"layer smooth \(Conv1D\) has no translation",
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
}


@pytest.mark.parametrize("name", UNTRANSLATABLE)
def test_what_cannot_be_translated_is_named(name: str) -> None:
    build, says = UNTRANSLATABLE[name]
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, build(layers.Masking()(inputs)))
    signature = ModelSignature(integer=False, features=2, fixed_length=None, padding_value=0, vocabulary=None, outputs=("y",))

    with pytest.raises(Untranslatable, match=says):
        translate(model, signature)

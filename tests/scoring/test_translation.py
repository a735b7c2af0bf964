"""A translated model scores ragged windows, with rubbish in the padding, as Keras scores each of them alone."""

from __future__ import annotations

import os

import numpy as np
import pytest

from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import same_scores
from pipeline.scoring.translate.model import translate
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

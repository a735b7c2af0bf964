"""A model that has no translation runs on ONNX Runtime as Keras itself exports it, where that is proven."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.engine import ModelInput
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.keras_export import exported
from pipeline.scoring.load import open_scorer
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import made_up_windows, same_scores, score_alone, score_together
from tests.support.models import layers, save, sequential
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Of a classic that joins the outputs of all 30 steps."""
    folder = tmp_path_factory.mktemp("flat")
    parts = (layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(name="all"), layers.Dense(1))
    file = save(sequential(*parts, shape=(30, 2)), folder)
    return bundle_model(file, folder / "bundle", tuple(map(ContractSensor, SENSORS)), session_policy(max_length=30))


def test_the_contract_says_why_it_is_an_export_and_predictions_name_the_engine(bundle: Bundle) -> None:
    assert bundle.contract.untranslated == "layer all (Flatten) needs a fixed number of steps"
    assert bundle.contract.engine == open_scorer(bundle).identity.engine == "onnx-export"
    assert bundle.contract.files.keys() == {"model.keras", "model.onnx"}


def test_it_scores_as_keras_does_and_is_padded_to_the_only_length_it_takes(bundle: Bundle) -> None:
    windows = [make_window(np.random.default_rng(length).normal(size=(length, 2)), SENSORS) for length in (1, 7, 30)]

    scores, by_keras = (open_scorer(bundle, engine).score(windows) for engine in ("auto", "keras"))

    assert same_scores(scores.outputs, by_keras.outputs)
    assert scores.padded_to.tolist() == [30, 30, 30]


def test_it_is_scored_without_keras_and_onnx(bundle: Bundle) -> None:
    code = f"""
import sys
from pathlib import Path
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.load import open_scorer
open_scorer(read_bundle(Path({str(bundle.folder)!r})))
sys.exit(" ".join({{"keras", "tensorflow", "onnx", "tf2onnx"}} & sys.modules.keys()) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_several_inputs_and_numbers_per_step_keep_their_order(tmp_path: Path) -> None:
    mode, values = keras.Input((None,), dtype="int32", name="mode"), keras.Input((None, 2), name="values")
    joined = layers.Concatenate()([layers.Embedding(5, 2, mask_zero=True)(mode), layers.Masking(-1.0)(values)])
    steps = layers.LSTM(3, return_sequences=True)(joined)
    model = keras.Model([mode, values], [layers.Dense(2)(steps), layers.Dense(1)(layers.LSTM(3)(steps)), layers.Dense(1)(steps)])
    keras_engine = KerasEngine(save(model, tmp_path))

    engine = OnnxEngine(exported(keras_engine))
    windows = made_up_windows(engine.signature, 12)

    assert engine.signature.inputs == (ModelInput("mode", vocabulary=5), ModelInput("values", 2, padding_value=-1.0))
    for window, found in zip(windows, score_together(engine, windows, 15), strict=True):
        assert len(found) == 1 + 3 * window.length
        assert same_scores(found, score_alone(keras_engine, window))

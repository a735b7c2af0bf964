"""Which engine runs a bundle, what it needs, and that it makes no difference to a score."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.engine import Inputs, ModelInput, ModelSignature, Scored
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.probe import prove_padding_invariance, same_scores
from pipeline.scoring.scorer import Scorer
from tests.support.models import layers, make_contract, save, sequential, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
MODE = (ContractSensor("mode", codes=("off", "on", "idle")),)
POLICY = session_policy(max_length=30)
BOTH = ("onnx", "keras")


def bundled(
    model: Any, folder: Path, sensors: Sequence[ContractSensor] = (ContractSensor("temperature"), ContractSensor("vibration"))
) -> Bundle:
    return bundle_model(save(model, folder), folder / "bundle", sensors, POLICY)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return bundled(sound_model(), tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def inverse(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of a model that only Keras can run: ONNX has no such operator."""
    inputs = keras.Input((None, 2))
    shrunk = 0.5 * keras.ops.tanh(layers.LSTM(4)(layers.Masking()(inputs)))
    return bundled(keras.Model(inputs, layers.Dense(1)(keras.ops.erfinv(shrunk))), tmp_path_factory.mktemp("inverse"))


def test_a_translated_bundle_is_scored_without_keras_and_onnx(bundle: Bundle) -> None:
    code = f"""
import sys
from pathlib import Path
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.load import open_scorer
from tests.support.windows import make_window
scorer = open_scorer(read_bundle(Path({str(bundle.folder)!r})))
assert not scorer.score([make_window([[1, 2]], {SENSORS!r})]).errors
sys.exit(" ".join({{"keras", "tensorflow", "onnx"}} & sys.modules.keys()) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


def test_auto_takes_onnx_where_the_bundle_has_it(bundle: Bundle) -> None:
    assert open_scorer(bundle).identity.engine == "onnx"
    assert open_scorer(bundle, "keras").identity.engine == "keras"
    assert bundle.contract.files.keys() == {"model.keras", "model.onnx", "model.growing.onnx"}


def test_a_model_without_a_translation_is_scored_by_keras_and_the_contract_says_why(inverse: Bundle) -> None:
    assert open_scorer(inverse).identity.engine == "keras"
    assert inverse.contract.files.keys() == {"model.keras"}
    assert inverse.contract.engine == "keras"
    why = r"layer \w+ \(Erfinv\) has no translation, and Keras cannot export it either: .*Erfinv"
    assert re.match(why, inverse.contract.untranslated or "")


def test_onnx_cannot_be_had_where_there_is_no_translation(inverse: Bundle) -> None:
    with pytest.raises(ModelRefused, match=r'no model.onnx: layer \w+ \(Erfinv\) has no .*; set \[model\] engine = "auto"'):
        open_scorer(inverse, "onnx")


def test_a_file_that_is_no_translation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="cannot load the translated model"):
        OnnxEngine(b"no model")


def test_a_translation_is_proven_on_its_own_with_rubbish_in_the_padding(bundle: Bundle) -> None:
    assert bundle.onnx_file is not None
    prove_padding_invariance(OnnxEngine(bundle.onnx_file), max_length=30)


def test_a_classic_of_fixed_length_is_padded_no_further_than_its_batch(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4), layers.Dense(1), shape=(30, 2))
    scorers = [open_scorer(bundled(model, tmp_path), engine) for engine in BOTH]
    window = make_window(np.ones((3, 2)), SENSORS)

    by_onnx, by_keras = (scorer.score([window]) for scorer in scorers)

    assert (by_onnx.padded_to.tolist(), by_keras.padded_to.tolist()) == ([3], [30])
    assert same_scores(by_onnx.outputs, by_keras.outputs)


@pytest.mark.parametrize("mask_value", [0.0, -1.0])
def test_real_steps_that_equal_the_mask_value_score_the_same_on_each_engine(mask_value: float, tmp_path: Path) -> None:
    model = sound_model(mask_value)
    bundle = bundled(model, tmp_path)
    like_padding = [mask_value, mask_value]
    windows = [make_window(steps, SENSORS) for steps in ([[1, 2], like_padding, [3, 1]], [like_padding], [[2, 2], like_padding])]

    by_onnx, by_keras = (open_scorer(bundle, engine).score(windows) for engine in BOTH)

    assert same_scores(by_onnx.outputs, by_keras.outputs)
    assert by_onnx.collisions == by_keras.collisions == 3
    # What Keras does by itself: it skips such a step.
    skipped = np.asarray(model(np.array([[[1, 2], like_padding, [3, 1]]], np.float32)))
    assert same_scores(skipped, np.asarray(model(np.array([[[1, 2], [3, 1]]], np.float32))))
    assert not same_scores(by_onnx.outputs[:1], skipped)


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    attended = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    parts = (layers.Embedding(4, 3, mask_zero=True), attended, layers.GlobalAveragePooling1D(), layers.Dense(2))
    return bundled(sequential(*parts, shape=(None,)), tmp_path_factory.mktemp("coded"), MODE)


@pytest.mark.parametrize("engine", BOTH)
def test_a_window_whose_code_the_model_does_not_know_has_no_score_and_its_neighbours_have_theirs(engine: str, coded: Bundle) -> None:
    windows = [make_window([[code] for code in codes], ["mode"]) for codes in ([1, 2], [1, 0, 2], [7], [1, 2, 3], [math.nan])]
    scorer = open_scorer(coded, engine)

    scores = scorer.score(windows)

    assert list(scores.errors) == [1, 2, 4]
    for index, says in ((1, "mode is 0, which the model takes for padding"), (2, "mode is 7"), (4, "mode is unobserved")):
        assert says in scores.errors[index]
    assert same_scores(scores.outputs[[0, 3]], scorer.score([windows[0], windows[3]]).outputs)


class Sums:
    """An engine whose score is the sum of a window's steps; it scores several batches at once and notes their sizes."""

    name = "sums"
    signature = ModelSignature((ModelInput("steps", features=2),), fixed_length=None, outputs=("rul",))
    incremental = None
    masks_by_value = False
    threads = 4
    batching = BatchPolicy(step_overhead_rows=4, max_rows=32, max_cells=16_384)

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        self.shapes.append(inputs[0].shape[:2])
        if (lengths == 13).any():
            raise ModelRefused("the model failed on a batch: 13 steps")
        return Scored(
            np.stack([row[:length].sum(keepdims=True)[0] for row, length in zip(inputs[0], lengths, strict=True)]).astype(np.float32)
        )

    def explain_padding(self) -> str:
        return "never"


def plain_scorer(engine: Sums) -> Scorer:
    sensors = (ContractSensor("temperature"), ContractSensor("vibration"))
    return Scorer(make_contract(session_policy(max_length=10_000), sensors=sensors), engine, "")


def ones(length: int) -> Window:
    return make_window(np.ones((length, 2)), SENSORS)


def test_one_very_long_window_among_many_short_ones_makes_no_large_batch() -> None:
    engine, lengths = Sums(), [1 + number % 12 for number in range(1_000)]
    lengths.insert(500, 10_000)

    scores = plain_scorer(engine).score([ones(length) for length in lengths])

    assert scores.outputs[:, 0].tolist() == [2 * length for length in lengths]
    assert max(rows * steps for rows, steps in engine.shapes) == 10_000
    assert scores.padded_cells <= 1.1 * scores.real_cells


def test_a_batch_that_fails_on_its_thread_fails_the_call() -> None:
    with pytest.raises(ModelRefused, match="13 steps"):
        plain_scorer(Sums()).score([ones(length) for length in range(1, 200)])


def test_the_translation_is_of_the_weights_that_were_saved(bundle: Bundle) -> None:
    model = keras.saving.load_model(bundle.model_file)
    rows = np.array([[[1, 2], [0.5, -1]]], np.float32)

    assert same_scores(open_scorer(bundle).score([make_window(rows[0], SENSORS)]).outputs, np.asarray(model(rows)))

"""Windows get the score that Keras gives for each of them alone, in the order in which they came."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.core.features import Delta, Observed, Value, make_inputs, ragged
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE, ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import Opening, load_scorer, open_scorer
from pipeline.scoring.probe import same_scores
from pipeline.scoring.scorer import Scorer
from tests.support.models import layers, make_contract, save, sequential, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
POLICY = session_policy(max_length=40)
RICH: dict[str, Any] = {
    "channels": (Value(), Observed(), Delta()),
    "fill": "forward",
    "outputs": (ContractOutput("rul"), ContractOutput("wear")),
}


def scorer_of(model: Any, folder: Path, batching: BatchPolicy | None = None, **changes: Any) -> Scorer:
    contract = make_contract(POLICY, **changes)
    return open_scorer(write_bundle(folder / "bundle", contract, {MODEL_FILE: save(model, folder)}), batching=batching)


@pytest.fixture(scope="module")
def model() -> Any:
    return sound_model()


@pytest.fixture(scope="module")
def scorer(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return scorer_of(model, tmp_path_factory.mktemp("sound"))


def ragged_windows(count: int, holes: float = 0.2) -> list[Window]:
    random = np.random.default_rng(3)
    windows = []
    for length in random.integers(1, 41, count):
        values = random.normal(20, 5, (length, 2))
        values[random.random(values.shape) < holes] = math.nan
        windows.append(make_window(values, SENSORS, times=np.cumsum(random.integers(1, 5_000, length)).tolist()))
    return windows


@pytest.fixture(scope="module")
def two_headed() -> Any:
    return sequential(layers.Masking(), layers.LSTM(6), layers.Dense(2), shape=(None, 5))


@pytest.fixture(scope="module")
def windows_and_scores(two_headed: Any) -> tuple[list[Window], NDArray[np.float32]]:
    """Windows, and what Keras itself gives for the unpadded inputs of each."""
    windows = ragged_windows(12)
    features = make_contract(POLICY, **RICH).features()
    return windows, np.concatenate([np.asarray(two_headed(make_inputs(ragged([window]), features)[None])) for window in windows])


@pytest.mark.parametrize("batching", [BatchPolicy(), BatchPolicy(max_cells=50), BatchPolicy(lengths=(8, 64))])
def test_scores_are_those_of_keras_on_each_window_alone(
    batching: BatchPolicy, two_headed: Any, windows_and_scores: tuple[list[Window], NDArray[np.float32]], tmp_path: Path
) -> None:
    windows, alone = windows_and_scores

    scores = scorer_of(two_headed, tmp_path, batching, **RICH).score(windows)

    assert scores.outputs.shape == (12, 2)
    assert same_scores(scores.outputs, alone)
    assert scores.real_cells == sum(window.length for window in windows)
    assert scores.padded_cells == scores.padded_to.sum() >= scores.real_cells


def test_scores_do_not_depend_on_the_order_or_the_company_of_windows(scorer: Scorer) -> None:
    windows = ragged_windows(30)

    together, backwards = scorer.score(windows).outputs, scorer.score(windows[::-1]).outputs[::-1]
    halves = np.concatenate([scorer.score(windows[:11]).outputs, scorer.score(windows[11:]).outputs])

    assert same_scores(backwards, together)
    assert same_scores(halves, together)


@pytest.mark.parametrize("mask_value", [0.0, -1.0])
def test_a_step_that_equals_the_padding_value_is_scored_and_counted(mask_value: float, tmp_path: Path) -> None:
    model = sound_model(mask_value)
    scorer = scorer_of(model, tmp_path, padding_value=mask_value, sensors=(ContractSensor("temperature"), ContractSensor("vibration")))
    unmasked = keras.Sequential(model.layers[1:])
    steps = np.array([[1, 2], [mask_value, mask_value], [mask_value, mask_value]], np.float32)

    scores = scorer.score([make_window(steps, SENSORS), make_window(np.ones((20, 2)), SENSORS)])

    assert scores.collisions == 2
    assert same_scores(scores.outputs[:1], np.asarray(unmasked(steps[None])))


def test_a_window_of_unobserved_values_only_is_scored(model: Any, scorer: Scorer) -> None:
    unmasked = keras.Sequential(model.layers[1:])

    scores = scorer.score([make_window([[math.nan, math.nan]] * 3, SENSORS)])

    assert scores.collisions == 3
    assert same_scores(scores.outputs, np.asarray(unmasked(np.zeros((1, 3, 2), np.float32))))


def test_a_window_whose_score_is_not_finite_does_not_touch_the_others(tmp_path: Path) -> None:
    tiny = (ContractSensor("temperature", scale=1e-5), ContractSensor("vibration", scale=1e-5))
    scorer = scorer_of(sound_model(), tmp_path, sensors=tiny)
    good, overflowing = make_window([[1, 1]], SENSORS), make_window([[3e38, 3e38]], SENSORS)

    scores = scorer.score([good, overflowing, good])

    assert scores.errors == {1: "its score is not finite"}
    assert same_scores(scores.outputs[[0, 2]], scorer.score([good, good]).outputs)


def test_codes_are_embedded_and_unknown_ones_are_an_error_of_their_window(tmp_path: Path) -> None:
    model = sequential(layers.Embedding(3, 2, mask_zero=True), layers.LSTM(4), layers.Dense(1), shape=(None,))
    mode = (ContractSensor("mode", codes=("off", "on"), vocabulary=3),)
    scorer = scorer_of(model, tmp_path, sensors=mode)
    windows = [make_window([[1], [2], [1]], ["mode"]), make_window([[5]], ["mode"]), make_window([[2]], ["mode"])]

    scores = scorer.score(windows)

    assert list(scores.errors) == [1]
    assert same_scores(scores.outputs[:1], np.asarray(model(np.array([[1, 2, 1]]))))


def test_a_model_of_fixed_length_gets_every_window_padded_to_it(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(1), shape=(50, 2))
    scorer = scorer_of(model, tmp_path, fixed_length=50)

    scores = scorer.score(ragged_windows(5))

    assert scores.padded_to.tolist() == [50] * 5


def test_sensors_are_found_by_name_where_the_windows_have_more_of_them(scorer: Scorer) -> None:
    window = make_window([[21, 3], [22, 4]], SENSORS)
    wider = make_window([[3, 9, 21], [4, 9, 22]], ("vibration", "noise", "temperature"))

    assert same_scores(scorer.score([wider]).outputs, scorer.score([window]).outputs)


def test_windows_that_the_model_cannot_take_are_named(scorer: Scorer) -> None:
    assert scorer.refusal(make_window(np.ones((40, 2)), SENSORS)) is None
    assert "has 41 steps; the model takes 1 to 40" in str(scorer.refusal(make_window(np.ones((41, 2)), SENSORS)))
    assert "lacks the model's sensors vibration" in str(scorer.refusal(make_window([[1]], ["temperature"])))


def test_a_bundle_is_loaded_for_the_configuration_it_was_made_for(tmp_path: Path) -> None:
    scorer_of(sound_model(), tmp_path)

    assert load_scorer(tmp_path / "bundle", SENSORS, POLICY).identity.name == "pump"
    with pytest.raises(ModelRefused, match="max_length is 40 for the model and 30 here"):
        load_scorer(tmp_path / "bundle", SENSORS, session_policy(max_length=30))
    accepted = load_scorer(tmp_path / "bundle", SENSORS, session_policy(max_length=30), opening=Opening(any_windows=True))
    assert accepted.output_names == ("rul",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"padding_value": -1.0}, "padding_value is -1.0 there and 0.0 here"),
        ({"channels": (Value(), Observed())}, "input columns is 4 there and 2 here"),
        ({"outputs": (ContractOutput("rul"), ContractOutput("wear"))}, "number of outputs is 2 there and 1 here"),
        ({"fixed_length": 50}, "fixed_length is 50 there and None here"),
    ],
)
def test_a_contract_that_does_not_fit_its_model_is_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=says):
        scorer_of(sound_model(), tmp_path, **changes)


def test_an_engine_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", make_contract(POLICY), {MODEL_FILE: save(sound_model(), tmp_path)})

    with pytest.raises(ModelRefused, match="'abacus' is none of auto, onnx, keras"):
        open_scorer(bundle, engine="abacus")


def test_the_identity_is_that_of_the_bundle(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", make_contract(POLICY), {MODEL_FILE: save(sound_model(), tmp_path)})

    assert msgspec.to_builtins(open_scorer(bundle).identity) == {"name": "pump", "version": "7", "sha256": bundle.sha256, "engine": "keras"}

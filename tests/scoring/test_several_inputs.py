"""Models with features and codes side by side, each as an input of its own: bundled, proven, scored, or refused with the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.codes import CodedSensor
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.probe import prove_padding_invariance, same_scores
from tests.support.models import layers, save
from tests.support.windows import make_window, session_policy

POLICY = session_policy(max_length=15)
TEMPERATURE, VIBRATION = ContractSensor("temperature"), ContractSensor("vibration")
MODE = ContractSensor("mode", codes=("off", "on", "idle"))
TOOL = ContractSensor("tool", codes=("drill", "mill"))
SENSORS = (TEMPERATURE, MODE, VIBRATION, TOOL)
NAMES = tuple(sensor.name for sensor in SENSORS)
TEXTS_OF_TOOL, SPARE_OF_MODE = 3, 4


def embedded(codes: Any, vocabulary: int) -> Any:
    return layers.Embedding(vocabulary, 3, mask_zero=True)(codes)


def mixed_model(mask_value: float = 0.0) -> Any:
    """Codes come first, as they may; mode has a code more than texts, tool has not."""
    keras.utils.set_random_seed(2)
    mode, features = keras.Input((None,), dtype="int32", name="mode"), keras.Input((None, 2), name="readings")
    tool = keras.Input((None,), dtype="int32", name="tool")
    parts = [layers.Masking(mask_value)(features), embedded(mode, SPARE_OF_MODE + 1), embedded(tool, TEXTS_OF_TOOL)]
    steps = layers.LSTM(5, return_sequences=True)(layers.Concatenate()(parts))
    return keras.Model([mode, features, tool], layers.Dense(1, name="rul")(layers.GRU(4)(steps)))


@pytest.fixture(scope="module")
def model() -> Any:
    return mixed_model()


@pytest.fixture(scope="module")
def bundle(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("mixed")
    return bundle_model(save(model, folder), folder / "bundle", SENSORS, POLICY)


def windows(count: int) -> list[Window]:
    random = np.random.default_rng(4)
    made = []
    for length in random.integers(1, 16, count):
        mode, tool = random.integers(1, 4, length), random.integers(1, 3, length)
        made.append(make_window(np.column_stack([random.normal(size=length), mode, random.normal(size=length), tool]), NAMES))
    return made


def alone(model: Any, window: Window) -> NDArray[np.float32]:
    """What Keras gives for one window without padding."""
    values = np.frombuffer(window.values, "<f4").reshape(-1, 4)
    return np.asarray(model([values[None, :, 1], values[None][:, :, [0, 2]], values[None, :, 3]]))


def test_a_sensor_with_texts_is_a_code_and_the_others_are_features(bundle: Bundle) -> None:
    contract = bundle.contract

    assert [sensor.name for sensor in contract.float_sensors] == ["temperature", "vibration"]
    assert contract.coded_sensors == (CodedSensor("mode", 5, unobserved=SPARE_OF_MODE), CodedSensor("tool", 3))
    assert contract.window == POLICY.spec(NAMES)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_each_window_gets_the_score_that_keras_gives_it_alone(engine: str, model: Any, bundle: Bundle) -> None:
    given = windows(40)

    scores = open_scorer(bundle, engine).score(given)

    assert not scores.errors
    assert same_scores(scores.outputs, np.concatenate([alone(model, window) for window in given]))


def test_an_unobserved_code_is_the_one_that_the_model_has_for_it_or_refuses_its_window(model: Any, bundle: Bundle) -> None:
    without_mode, without_tool = make_window([[1, math.nan, 2, 1]], NAMES), make_window([[1, 1, 2, math.nan]], NAMES)

    scores = open_scorer(bundle).score([without_mode, without_tool])

    assert same_scores(scores.outputs[:1], alone(model, make_window([[1, SPARE_OF_MODE, 2, 1]], NAMES)))
    assert list(scores.errors) == [1]
    assert scores.errors[1].startswith("tool is unobserved, and the model has no code for that; bundle the model with --fill forward")


def test_features_that_look_like_padding_are_scored_beside_codes(tmp_path: Path) -> None:
    model = mixed_model(-1.0)
    scorer = open_scorer(bundle_model(save(model, tmp_path), tmp_path / "bundle", SENSORS, POLICY), "keras")

    like_padding, near_it = (
        make_window([[1, 1, 1, 1], [value, 1, value, 2]], NAMES) for value in (-1, np.nextafter(-1, 0, dtype=np.float32))
    )
    scores = scorer.score([like_padding, near_it])

    assert scores.collisions == 1
    assert same_scores(scores.outputs[:1], scores.outputs[1:])


def test_a_model_of_codes_only_takes_each_sensor_as_a_code(tmp_path: Path) -> None:
    first, second = (keras.Input((None,), dtype="int32", name=name) for name in ("first", "second"))
    merged = layers.Concatenate()([embedded(first, 4), embedded(second, 6)])
    model = keras.Model([first, second], layers.Dense(1)(layers.LSTM(3)(merged)))
    sensors = (ContractSensor("gear"), MODE)

    bundle = bundle_model(save(model, tmp_path), tmp_path / "bundle", sensors, POLICY)

    assert bundle.contract.coded_sensors == (CodedSensor("gear", 4), CodedSensor("mode", 6, unobserved=4))
    assert not open_scorer(bundle).score([make_window([[3, 1], [1, math.nan]], ("gear", "mode"))]).errors


def test_a_dictionary_of_inputs_is_fed_in_the_order_of_the_model(tmp_path: Path) -> None:
    mode, features = keras.Input((None,), dtype="int32", name="mode"), keras.Input((None, 1), name="readings")
    steps = layers.Concatenate()([layers.Masking()(features), embedded(mode, 4)])
    model = keras.Model({"readings": features, "mode": mode}, layers.Dense(1)(layers.LSTM(3)(steps)))
    bundle = bundle_model(save(model, tmp_path), tmp_path / "bundle", (TEMPERATURE, MODE), POLICY)

    found = open_scorer(bundle, "keras").score([make_window([[0.5, 3], [2, 1]], ("temperature", "mode"))]).outputs

    assert same_scores(found, np.asarray(model({"readings": np.array([[[0.5], [2]]]), "mode": np.array([[3, 1]])})))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (None, "takes 2 features per step and codes of 2 sensors, but there are 3 sensors (temperature, mode, vibration)"),
        (("temperature", "vibration", "mode"), "of which mode has texts in [sensors.codes]; name those it takes"),
    ],
)
def test_sensors_that_do_not_fit_are_refused_with_what_the_model_takes(names: tuple[str, ...] | None, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused) as refused:
        bundle_model(save(mixed_model(), tmp_path), tmp_path / "bundle", SENSORS[:3], POLICY, Adoption(sensors=names))

    assert says in str(refused.value)


def test_more_texts_than_codes_are_refused_with_the_input_dim_to_take(tmp_path: Path) -> None:
    sensors = (TEMPERATURE, MODE, VIBRATION, ContractSensor("tool", codes=("drill", "mill", "saw")))

    with pytest.raises(ModelRefused, match=r"embeds codes from 1 to 2 of tool, which has 3 texts .*; give its Embedding input_dim = 5"):
        bundle_model(save(mixed_model(), tmp_path), tmp_path / "bundle", sensors, POLICY)


def two_of_features() -> Any:
    first, second = keras.Input((None, 2), name="slow"), keras.Input((None, 3), name="fast")
    merged = layers.Concatenate()([layers.Masking()(first), layers.Masking()(second)])
    return keras.Model([first, second], layers.LSTM(2)(merged))


def of_two_lengths() -> Any:
    first, second = keras.Input((8, 2)), keras.Input((9,), dtype="int32")
    last = [layers.LSTM(2)(layers.Masking()(first)), layers.LSTM(2)(embedded(second, 4))]
    return keras.Model([first, second], layers.Concatenate()(last))


def unmasked_codes() -> Any:
    features, mode = keras.Input((None, 2)), keras.Input((None,), dtype="int32", name="mode")
    merged = layers.Concatenate()([layers.Masking()(features), layers.Embedding(4, 2)(mode)])
    return keras.Model([features, mode], layers.LSTM(2)(merged))


def unmasked_features() -> Any:
    features, mode = keras.Input((None, 2), name="readings"), keras.Input((None,), dtype="int32")
    return keras.Model([features, mode], layers.LSTM(2)(layers.Concatenate()([features, embedded(mode, 4)])))


def stateful() -> Any:
    inputs = keras.Input(batch_shape=(4, None, 2))
    return keras.Model(inputs, layers.LSTM(2, stateful=True)(layers.Masking()(inputs)))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "two inputs of features": (
        two_of_features,
        r"has 2 inputs of features \(slow, fast\), and at most 1 can be fed; make them one input of \(None, 5\)",
    ),
    "two lengths": (of_two_lengths, r"inputs take 8 and 9 steps; give them all the same, or None"),
    "codes without a mask": (unmasked_codes, r"input mode has no mask, .* begin it with Embedding\(mask_zero=True\)"),
    "features without a mask": (unmasked_features, r"input readings has no mask, .* begin it with Masking and train it again"),
    "a state between batches": (stateful, r"takes batches of 4 only \(stateful\?\); give its input no batch size"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_cannot_be_fed_are_refused_with_what_to_change(name: str, tmp_path: Path) -> None:
    build, says = REFUSED[name]

    with pytest.raises(ModelRefused, match=says) as refused:
        KerasEngine(save(build(), tmp_path))
    assert "\n" not in str(refused.value)


def test_a_layer_that_drops_the_mask_of_both_is_named(tmp_path: Path) -> None:
    features, mode = keras.Input((None, 2)), keras.Input((None,), dtype="int32")
    steps = layers.Concatenate()([layers.Masking()(features), embedded(mode, 4)])
    model = keras.Model([features, mode], layers.LSTM(2)(layers.Conv1D(3, 2, padding="same", name="smooth")(steps)))

    with pytest.raises(ModelRefused, match=r"its layer smooth \(Conv1D\) drops the mask"):
        prove_padding_invariance(KerasEngine(save(model, tmp_path)), max_length=9)

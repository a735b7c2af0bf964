"""A model may also say something of each step, such as how much it weighs: proven like scores, and given only where asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelRefused
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.probe import prove_padding_invariance, same_scores
from tests.support.models import layers, save
from tests.support.windows import make_window, session_policy

SENSORS = (ContractSensor("temperature"), ContractSensor("vibration"))
NAMES = ("temperature", "vibration")
POLICY = session_policy(max_length=12)


def weighing_model(steps: int | None = None, columns: int = 1) -> Any:
    """Weighs each step by itself, and gives the weights too."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((steps, 2))
    states = layers.LSTM(4, return_sequences=True)(layers.Masking()(inputs))
    weights = layers.Dense(columns, activation="sigmoid", name="attention")(states)
    pooled = layers.GlobalAveragePooling1D()(layers.Multiply()([states, layers.Dense(4)(weights)]))
    return keras.Model(inputs, [layers.Dense(1, name="rul")(pooled), weights])


@pytest.fixture(scope="module")
def model() -> Any:
    return weighing_model()


@pytest.fixture(scope="module")
def bundle(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("weighing")
    return bundle_model(save(model, folder), folder / "bundle", SENSORS, POLICY)


def rows(*lengths: int) -> list[Any]:
    random = np.random.default_rng(6)
    return [random.normal(size=(length, 2)).astype(np.float32) for length in lengths]


def test_the_contract_tells_numbers_per_window_from_numbers_per_step(bundle: Bundle) -> None:
    assert bundle.contract.outputs == (ContractOutput("rul"),)
    assert bundle.contract.step_outputs == (ContractOutput("attention"),)


@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_each_window_has_the_numbers_of_its_own_steps_as_keras_gives_them_alone(engine: str, model: Any, bundle: Bundle) -> None:
    given = rows(7, 1, 12, 3, 3)

    scores = open_scorer(bundle, engine).score([make_window(row, NAMES) for row in given], with_steps=True)

    for found, steps, row in zip(scores.outputs, scores.steps, given, strict=True):
        rul, attention = model(row[None])
        assert same_scores(found, np.asarray(rul)[0])
        assert steps.shape == (len(row), 1)
        assert same_scores(steps, np.asarray(attention)[0])


def test_they_are_not_given_unless_asked_for(bundle: Bundle) -> None:
    assert not open_scorer(bundle).score([make_window(row, NAMES) for row in rows(2, 3)]).steps


def test_of_a_window_of_which_the_model_sees_the_last_steps_those_have_numbers(model: Any, tmp_path: Path) -> None:
    bundle = bundle_model(save(model, tmp_path), tmp_path / "bundle", SENSORS, POLICY, Adoption(last=4))
    given = rows(9, 2)

    scores = open_scorer(bundle).score([make_window(row, NAMES) for row in given], with_steps=True)

    assert [len(steps) for steps in scores.steps] == [4, 2]
    assert same_scores(scores.steps[0], np.asarray(model(given[0][None, -4:])[1])[0])
    assert same_scores(scores.outputs[0], np.asarray(model(given[0][None, -4:])[0])[0])
    assert (scores.real_cells, max(scores.padded_to)) == (6, 4)


def test_a_window_with_a_step_of_which_the_model_says_no_finite_number_has_no_score(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2))
    states = layers.Masking()(inputs)
    model = keras.Model(inputs, [layers.Dense(1, name="rul")(layers.LSTM(2)(states)), layers.Dense(1, name="attention")(states)])
    model.layers[-1].set_weights([np.full((2, 1), 1e30, np.float32), np.zeros(1, np.float32)])
    scorer = open_scorer(bundle_model(save(model, tmp_path), tmp_path / "bundle", SENSORS, POLICY))
    given = [make_window([[1, 1], [1e20, 1]], NAMES), make_window([[1, 1]], NAMES)]

    assert scorer.score(given, with_steps=True).errors == {0: "its score is not finite"}
    assert not scorer.score(given).errors


def flattened(steps: int) -> Any:
    inputs = keras.Input((steps, 2))
    states = layers.LSTM(4, return_sequences=True)(layers.Masking()(inputs))
    weights = layers.Activation("sigmoid", name="attention")(layers.Reshape((steps,))(layers.Dense(1)(states)))
    return keras.Model(inputs, [layers.Dense(steps, name="forecast")(layers.LSTM(3)(states)), weights])


@pytest.mark.parametrize(
    ("build", "outputs", "step_outputs"),
    [
        (lambda: weighing_model(columns=3), ("rul",), ("attention_0", "attention_1", "attention_2")),
        (lambda: weighing_model(steps=12), ("rul",), ("attention",)),
        (lambda: flattened(3), ("forecast_0", "forecast_1", "forecast_2"), ("attention",)),
    ],
)
def test_outputs_are_per_step_where_their_second_axis_is_that_of_the_steps(
    build: Callable[[], Any], outputs: tuple[str, ...], step_outputs: tuple[str, ...], tmp_path: Path
) -> None:
    engine = KerasEngine(save(build(), tmp_path))

    prove_padding_invariance(engine, max_length=3)

    assert (engine.signature.outputs, engine.signature.step_outputs) == (outputs, step_outputs)


def test_numbers_per_step_that_padding_changes_refuse_the_model(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2))
    states = layers.LSTM(4, return_sequences=True)(layers.Masking()(inputs))
    shares = keras.ops.softmax(layers.Dense(1)(states), axis=1)
    model = keras.Model(inputs, [layers.Dense(1, name="rul")(layers.LSTM(2)(states)), shares])

    with pytest.raises(ModelRefused, match="when a window is padded from 1 to 2 steps"):
        bundle_model(save(model, tmp_path), tmp_path / "bundle", SENSORS, POLICY)

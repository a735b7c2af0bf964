"""The scaling of a contract is that of the training steps, each once, and, where wanted, of each operating condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.core.features import ragged
from pipeline.errors import ConfigurationError
from pipeline.records import Window
from pipeline.scoring.contract import Contract, ContractOutput, ContractSensor
from pipeline.training.conditions import OperatingConditions
from pipeline.training.scaling import fit_contract, fit_scaling, k_means
from tests.support.windows import START_MS, make_window

SENSORS = ("altitude", "speed", "heat", "flat")
CENTRES = np.array([[0, 0], [10_000, 0.25], [20_000, 0.7]])
SHARES = [0.2, 0.5, 0.3]


def unfitted(**changes: Any) -> Contract:
    fields: dict[str, Any] = {"sensors": tuple(map(ContractSensor, SENSORS)), "outputs": (ContractOutput("rul"),)}
    return Contract(name="m", version="1", max_length=50, window={}, task="regression", **fields | changes)


def flights(count: int = 40, steps: int = 50) -> tuple[list[Window], np.typing.NDArray[np.int64]]:
    """Windows in which the heat depends on the condition, and the true condition of each step."""
    random = np.random.default_rng(2)
    conditions = random.choice(3, size=(count, steps), p=SHARES)
    settings = CENTRES[conditions] + random.normal(0, [20, 0.002], (count, steps, 2))
    heat = 500 - 100 * conditions + random.normal(0, 1 + conditions)
    values = np.concatenate([settings, heat[..., None], np.full((count, steps, 1), 3)], axis=2)
    return [make_window(rows, SENSORS, device=f"engine-{number}") for number, rows in enumerate(values)], conditions


def test_scaling_is_mean_and_deviation_of_what_was_observed() -> None:
    nan = np.nan
    values = np.array([[1, 5, nan, 2.5], [3, 5, nan, nan], [nan, 5, nan, 7.5]], np.float32)
    mean, scale = fit_scaling(values)
    assert mean == (2, 5, 0, 5)
    assert scale == (1, 1, 1, 2.5), "a constant sensor, and one never observed, have scale 1"


def test_steps_before_1970_count_like_any_other() -> None:
    values = np.array([[1, 0, 2, 3], [3, 0, 4, 3]])
    long_ago = make_window(values, SENSORS, times=[-2 * START_MS, -START_MS - 1])
    assert fit_contract(unfitted(), [long_ago]).sensors[0].mean == 2


def test_a_sensor_that_varies_by_rounding_only_is_not_blown_up() -> None:
    values = np.array([[100.0], [np.nextafter(np.float32(100), np.float32(200))]] * 50, np.float32)
    assert fit_scaling(values).scale == (1,)


def test_a_step_counts_once_in_however_many_windows_it_is() -> None:
    windows = [
        make_window([[0.0], [4.0]], ["x"], times=[0, 1]),
        make_window([[4.0]] * 3, ["x"], times=[1, 2, 3], device="other"),
        make_window([[0.0], [4.0], [8.0]], ["x"], times=[0, 1, 2]),
    ]
    fitted = fit_contract(unfitted(sensors=(ContractSensor("x"),)), windows)
    assert fitted.sensors[0].mean == pytest.approx((0 + 4 + 4 + 4 + 4 + 8) / 6)


def test_coded_sensors_are_not_scaled() -> None:
    sensors = (ContractSensor("mode", codes=("a", "b"), vocabulary=4), ContractSensor("x"))
    fitted = fit_contract(unfitted(sensors=sensors), [make_window([[1, 5], [2, 9]], ["mode", "x"])])
    assert [(sensor.mean, sensor.scale) for sensor in fitted.sensors] == [(0, 1), (7, 2)]


def test_known_conditions_are_found_and_scaled_each_by_itself() -> None:
    windows, true = flights()
    fitted = fit_contract(unfitted(), windows, OperatingConditions(("altitude", "speed"), 3))
    by_share = [1, 2, 0]
    means = [condition.mean[2] for condition in fitted.conditions]
    scales = [condition.scale[2] for condition in fitted.conditions]
    assert means == pytest.approx([500 - 100 * condition for condition in by_share], abs=1), "the most frequent comes first"
    assert scales == pytest.approx([1 + condition for condition in by_share], rel=0.15)
    found = fitted.features().scaling.conditions_of(ragged(windows))
    assert np.array_equal(np.array(by_share)[found], true.ravel())


def test_settings_are_scaled_alike_in_all_conditions() -> None:
    fitted = fit_contract(unfitted(), flights()[0], OperatingConditions(("altitude", "speed"), 3))
    for sensor, name in enumerate(SENSORS[:2]):
        everywhere = (fitted.sensors[sensor].mean, fitted.sensors[sensor].scale)
        assert {(condition.mean[sensor], condition.scale[sensor]) for condition in fitted.conditions} == {everywhere}, name
    assert {condition.scale[3] for condition in fitted.conditions} == {1}


def test_a_sensor_that_a_condition_never_observed_is_scaled_as_everywhere() -> None:
    windows = [make_window([[0, 5], [0, 7], [9, np.nan]], ["setting", "x"])]
    contract = unfitted(sensors=(ContractSensor("setting"), ContractSensor("x")))
    fitted = fit_contract(contract, windows, OperatingConditions(("setting",), 2))
    assert [condition.mean[1] for condition in fitted.conditions] == [6, 6]
    assert [condition.scale[1] for condition in fitted.conditions] == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_clusters_far_apart_are_found_from_any_start(seed: int) -> None:
    random = np.random.default_rng(seed)
    centres = np.array([[x, y] for x in (0, 10, 20) for y in (0, 10)])
    points = centres[random.choice(6, 3_000)] + random.normal(0, 0.3, (3_000, 2))
    found = k_means(points.astype(np.float32), 6, seed)
    assert np.abs(np.array(sorted(found.round().tolist())) - centres).max() == 0


def test_equal_seeds_give_equal_centres() -> None:
    points = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    assert np.array_equal(k_means(points, 4, 1), k_means(points, 4, 1))


@pytest.mark.parametrize(
    ("settings", "count", "problem"),
    [
        (("altitude", "wind"), 3, "wind is none of the model's sensors"),
        (("flat",), 2, "there are 1 different settings"),
        ((), 2, "must be sensors, each once"),
        (("altitude",), 1, "must be at least 2"),
    ],
)
def test_conditions_that_cannot_be_are_refused(settings: tuple[str, ...], count: int, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        fit_contract(unfitted(), flights(2)[0], OperatingConditions(settings, count))

"""Values are scaled by the operating condition of their step: that whose centre is nearest to its settings."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import Averages, Delta, DeltaPer, FeatureSpec, Observed, Value, make_inputs
from pipeline.core.ragged import ragged
from pipeline.core.scaling import Condition, Scaling
from pipeline.records import Window
from tests.support.windows import make_window

NAN = math.nan
SENSORS = ("altitude", "speed", "heat")
LOW = Condition(centre=(-1, 0), mean=(1_000, 0, 500), scale=(100, 1, 10))
HIGH = Condition(centre=(1, 0), mean=(1_000, 0, 300), scale=(100, 1, 2))
FAST = Condition(centre=(1, 4), mean=(1_000, 0, 400), scale=(100, 1, 4))
SCALING = Scaling(mean=(1_000, 0, 450), scale=(100, 1, 100), settings=(0, 1), conditions=(LOW, HIGH, FAST))


def conditions(*windows: Window) -> list[int]:
    found: list[int] = SCALING.conditions_of(ragged(windows)).tolist()
    return found


def test_each_step_is_scaled_by_its_own_condition() -> None:
    window = make_window([[900, 0, 510], [1_090, 0.5, 296], [1_100, 3, 404], [950, 0, 500]], SENSORS)
    assert conditions(window) == [0, 1, 2, 0]
    assert SCALING.scaled(ragged([window])).tolist() == [[-1, 0, 1], [np.float32(0.9), 0.5, -2], [1, 3, 1], [-0.5, 0, 0]]


def test_an_unobserved_setting_is_the_last_one_observed_in_the_window() -> None:
    first = make_window([[1_100, 4, 1], [NAN, NAN, 1], [NAN, 0, 1]], SENSORS)
    assert conditions(first, make_window([[NAN, NAN, 1]], SENSORS)) == [2, 2, 1, 0]


def test_a_setting_never_observed_counts_nothing() -> None:
    assert conditions(make_window([[NAN, 4, 1], [1_100, NAN, 1]], SENSORS)) == [2, 2]


def test_the_value_of_an_unobserved_sensor_stays_unobserved() -> None:
    assert np.isnan(SCALING.scaled(ragged([make_window([[900, 0, NAN]], SENSORS)]))).tolist() == [[False, False, True]]


@given(
    st.lists(st.lists(st.tuples(*[st.sampled_from([NAN, 0.0, 900.0, 1_100.0, 3e38])] * 3), min_size=1, max_size=4), min_size=1, max_size=4)
)
def test_a_window_is_scaled_alike_whatever_windows_it_is_joined_with(values: list[list[tuple[float, float, float]]]) -> None:
    windows = [make_window(rows, SENSORS) for rows in values]
    with np.errstate(over="ignore"):
        together = SCALING.scaled(ragged(windows)).tobytes()
        assert together == b"".join(SCALING.scaled(ragged([window])).tobytes() for window in windows)


def test_sensors_that_tell_the_condition_are_no_inputs() -> None:
    channels = (Value(), Observed(), Averages((1,)), Delta(DeltaPer.SENSOR))
    spec = FeatureSpec(SCALING.mean, SCALING.scale, channels, settings=SCALING.settings, conditions=SCALING.conditions)
    window = make_window([[900, 0, 510], [NAN, 3, NAN], [1_090, 0.5, 296]], SENSORS)
    assert spec.width == 4
    assert make_inputs(ragged([window]), spec).tolist() == [[1, 1, 1, 0], [0, 0, 1, 1], [-2, 1, -2, 2]]

"""Values become inputs by fill, scaling and channels, each window by itself."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import Delta, DeltaPer, FeatureSpec, Fill, Observed, Value, make_inputs, ragged
from pipeline.records import Window
from tests.support.windows import make_window

NAN = math.nan
SENSORS = ("temperature", "vibration")
RAW = FeatureSpec(mean=(0, 0), scale=(1, 1))
EVERYTHING = FeatureSpec((1, 2), (3, 4), (Value(), Observed(), Delta(), Delta(DeltaPer.SENSOR)), "forward")


def inputs(spec: FeatureSpec, *windows: Window) -> list[list[float]]:
    rows: list[list[float]] = make_inputs(ragged(windows), spec).tolist()
    return rows


def test_values_are_scaled_per_sensor() -> None:
    spec = FeatureSpec(mean=(10, 0), scale=(2, 4))

    assert inputs(spec, make_window([[14, 4], [10, -8]], SENSORS)) == [[2, 1], [0, -2]]


@pytest.mark.parametrize(
    ("fill", "expected"),
    [("zero", [[0, 1], [5, 0], [0, 0]]), ("forward", [[0, 1], [5, 1], [5, 1]]), (-9.0, [[-9, 1], [5, -9], [-9, -9]])],
)
def test_an_unobserved_value_is_filled_after_scaling(fill: Fill, expected: list[list[float]]) -> None:
    spec = FeatureSpec(mean=(100, 100), scale=(1, 1), fill=fill)

    assert inputs(spec, make_window([[NAN, 101], [105, NAN], [NAN, NAN]], SENSORS)) == expected


def test_filling_forward_does_not_reach_into_the_next_window() -> None:
    spec = FeatureSpec(mean=(0,), scale=(1,), fill="forward")

    assert inputs(spec, make_window([[7], [NAN]], ["t"]), make_window([[NAN], [3]], ["t"])) == [[7], [7], [0], [3]]


def test_channels_stand_side_by_side_in_their_order() -> None:
    spec = FeatureSpec((0, 0), (1, 1), (Observed(), Value(), Delta()))
    window = make_window([[1, NAN], [NAN, 4]], SENSORS, times=[0, 2_500])

    assert spec.width == 5
    assert inputs(spec, window) == [[1, 0, 1, 0, 0], [0, 1, 0, 4, 2.5]]


def test_delta_is_the_seconds_since_the_previous_step_of_the_window() -> None:
    spec = FeatureSpec((0,), (1,), (Delta(),))
    windows = [make_window([[1], [2], [3]], ["t"], times=[0, 100, 4_100]), make_window([[1], [2]], ["t"], times=[90_000, 90_001])]

    assert [row[0] for row in inputs(spec, *windows)] == pytest.approx([0, 0.1, 4, 0, 0.001])


def test_delta_per_sensor_counts_from_the_last_step_before_this_one_that_observed_it() -> None:
    spec = FeatureSpec((0, 0), (1, 1), (Delta(DeltaPer.SENSOR),))
    window = make_window([[1, NAN], [NAN, 5], [3, NAN]], SENSORS, times=[0, 1_000, 3_000])

    assert inputs(spec, window) == [[0, 0], [1, 1], [3, 2]]


@given(st.lists(st.lists(st.tuples(*[st.sampled_from([NAN, 0.0, 1.5, -2.0])] * 2), min_size=1, max_size=5), min_size=1, max_size=5))
def test_a_window_has_the_same_inputs_whatever_windows_it_is_joined_with(values: list[list[tuple[float, float]]]) -> None:
    windows = [make_window(rows, SENSORS, times=[7 * step**2 for step in range(len(rows))]) for rows in values]

    assert inputs(EVERYTHING, *windows) == [row for window in windows for row in inputs(EVERYTHING, window)]


def test_a_value_too_large_after_scaling_is_infinite_and_no_error() -> None:
    assert inputs(FeatureSpec((0,), (1e-9,)), make_window([[3e38]], ["t"])) == [[math.inf]]


def test_sensors_can_be_picked_and_reordered() -> None:
    window = make_window([[1, 2, 3]], ["a", "b", "c"])

    assert make_inputs(ragged([window], [2, 0]), RAW).tolist() == [[3, 1]]

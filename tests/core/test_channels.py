"""Ages and moving averages of windows, each window by itself and each step by what came before it; and how people write channels."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import (
    Age,
    Averages,
    Change,
    Channel,
    Delta,
    DeltaPer,
    FeatureSpec,
    Observed,
    Unit,
    Value,
    make_inputs,
    parse_channel,
    ragged,
)
from pipeline.core.scaling import Condition
from pipeline.errors import ConfigurationError
from pipeline.records import Window
from tests.support.windows import START_MS, make_window

NAN = math.nan
SENSORS = ("x", "y")
CONDITIONS = (Condition((-1,), (1, 1), (2, 2)), Condition((1,), (0, 5), (1, 3)))
EVERYTHING = FeatureSpec(
    *((1, 2), (3, 4)),
    (
        Value(),
        Change(),
        Observed(),
        Delta(),
        Delta(DeltaPer.SENSOR, 60),
        Age(),
        Age(Unit.SECONDS, 7),
        Averages((3, 9.5)),
        Averages((2,), Unit.SECONDS),
    ),
    *("forward", None),
    *((1,), CONDITIONS),
)

rows = st.lists(st.tuples(*[st.sampled_from([NAN, 0.0, 1.5, -2.0, 3e38])] * 2), min_size=1, max_size=12)
pauses = st.lists(st.integers(1, 5_000), min_size=12, max_size=12)
windows_of_rows = st.builds(lambda rows, pauses: spaced(rows, pauses), rows, pauses)


def spaced(rows: list[tuple[float, float]], pauses_ms: list[int]) -> Window:
    return make_window(rows, SENSORS, times=np.cumsum(pauses_ms[: len(rows)]).tolist())


def inputs(spec: FeatureSpec, *windows: Window) -> Any:
    return make_inputs(ragged(windows), spec)


def plain(*channels: Channel, fill: Any = "zero") -> FeatureSpec:
    """Of two sensors, not scaled."""
    return FeatureSpec((0, 0), (1, 1), channels, fill)


def average_by_hand(values: list[float], distances: list[float], rate: float) -> list[float]:
    """The weighted mean as it is written down; distances[i] is from value i - 1 to value i."""
    places = np.cumsum(distances)
    found = []
    for end in range(1, len(values) + 1):
        known = [(value, place) for value, place in zip(values[:end], places, strict=False) if not math.isnan(value)]
        weights = [math.exp(-rate * (known[-1][1] - place)) for _, place in known]
        found.append(sum(weight * value for weight, (value, _) in zip(weights, known, strict=True)) / sum(weights) if known else NAN)
    return found


def test_a_change_is_since_the_first_observed_value_of_the_window() -> None:
    window, other = make_window([[4, NAN], [NAN, 7], [9, 5]], SENSORS), make_window([[1, 2], [3, 1]], SENSORS)
    assert inputs(plain(Change()), window, other).tolist() == [[0, 0], [0, 0], [5, -2], [0, 0], [2, -1]]
    assert inputs(plain(Change()), other).tolist() == [[0, 0], [2, -1]]
    assert inputs(plain(Change(), fill="forward"), window)[:, 1].tolist() == [0, 0, -2]


def test_a_change_is_in_scaled_units_and_does_not_know_the_level() -> None:
    low, high = make_window([[1, 0], [3, 0]], SENSORS), make_window([[101, 0], [103, 0]], SENSORS)
    found = [inputs(FeatureSpec((50, 0), (4, 1), (Change(),)), window).tolist() for window in (low, high)]
    assert found == [[[0, 0], [0.5, 0]]] * 2


def test_a_moving_average_starts_with_the_first_value_and_then_follows() -> None:
    window = make_window([[4, 0], [8, 0], [8, 0]], SENSORS)
    expected = [4, (4 / 2 + 8) / 1.5, (4 / 4 + 8 / 2 + 8) / 1.75]
    assert inputs(plain(Averages((3,))), window)[:, 0].tolist() == pytest.approx(expected)


def test_an_unobserved_value_leaves_the_average_and_time_goes_on() -> None:
    window = make_window([[NAN, 1], [4, NAN], [NAN, NAN], [8, 9]], SENSORS)
    last = [(4 / 4 + 8) / 1.25, (1 / 8 + 9) / 1.125]
    assert inputs(plain(Averages((3,)), fill=-1.0), window) == pytest.approx(np.array([[-1, 1], [4, 1], [4, 1], last]))


def test_averages_of_several_spans_stand_side_by_side_the_sensors_of_each_together() -> None:
    window = make_window([[4, 0], [8, 4]], SENSORS)
    spec = plain(Averages((1, 3)), Value())
    assert spec.width == 6
    assert inputs(spec, window)[1].tolist() == pytest.approx([8, 4, 10 / 1.5, 4 / 1.5, 8, 4])


@given(rows, pauses, st.sampled_from([1, 2, 10, 250.5]), st.sampled_from(Unit))
def test_averages_are_those_of_the_definition(rows: list[tuple[float, float]], pauses_ms: list[int], span: float, unit: Unit) -> None:
    values = [row[0] if row[0] < 1e38 else 7 for row in rows]
    by_steps = unit is Unit.STEPS
    rate = -math.log(max(span - 1, 1e-300) / (span + 1)) if by_steps else 2 / span
    distances = [1.0 if by_steps else pause / 1_000 for pause in pauses_ms[: len(values)]]
    window = spaced([(value, 0) for value in values], pauses_ms)
    found = inputs(plain(Averages((span,), unit), fill=99.0), window)[:, 0].tolist()
    assert found == pytest.approx([99 if math.isnan(value) else value for value in average_by_hand(values, distances, rate)], abs=2e-5)


def test_a_long_span_of_steps_a_second_apart_weighs_like_as_many_seconds() -> None:
    window = make_window([[math.sin(step), 0] for step in range(60)], SENSORS)
    steps, seconds = inputs(plain(Averages((30,)), Averages((30,), Unit.SECONDS)), window)[:, [0, 2]].T
    assert np.abs(steps - seconds).max() < 1e-3


@given(st.lists(windows_of_rows, min_size=1, max_size=5))
def test_a_window_has_the_same_bits_whatever_windows_it_is_joined_with(windows: list[Window]) -> None:
    together = inputs(EVERYTHING, *windows)
    assert together.tobytes() == b"".join(inputs(EVERYTHING, window).tobytes() for window in windows)
    assert together.shape[1] == EVERYTHING.width


@given(rows, pauses)
def test_a_step_has_the_same_bits_whatever_comes_after_it(rows: list[tuple[float, float]], pauses_ms: list[int]) -> None:
    whole = inputs(EVERYTHING, spaced(rows, pauses_ms))
    for length in range(1, len(rows) + 1):
        assert inputs(EVERYTHING, spaced(rows[:length], pauses_ms)).tobytes() == whole[:length].tobytes()


def test_a_value_that_overflows_spoils_no_other_window() -> None:
    windows = [make_window([[3e38, 3e38]] * 3, SENSORS), make_window([[1, 2]], SENSORS)]
    found = inputs(FeatureSpec((0, 0), (0.01, 0.01), (Averages((3,)),)), *windows)
    assert np.isfinite(found).all()
    assert found[3].tolist() == pytest.approx([100, 200])


def test_age_goes_on_where_the_window_is_in_its_episode() -> None:
    window = make_window([[1, 1], [2, 2]], SENSORS, times=[0, 1_500])
    later = msgspec.structs.replace(window, position=40, episode_start=START_MS - 60_000)
    assert inputs(plain(Age()), window, later).ravel().tolist() == [1, 2, 40, 41]
    assert inputs(plain(Age(Unit.SECONDS, scale=10)), window, later).ravel().tolist() == pytest.approx([0, 0.15, 6, 6.15])


def test_delta_is_divided_by_its_scale() -> None:
    window = make_window([[1, 1], [2, 2]], SENSORS, times=[0, 30_000])
    assert inputs(plain(Delta(scale=60)), window).ravel().tolist() == [0, 0.5]


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("value", Value()),
        (" observed ", Observed()),
        ("delta", Delta()),
        ("delta:sensor/60", Delta(DeltaPer.SENSOR, 60)),
        ("age", Age()),
        ("age/200", Age(Unit.STEPS, 200)),
        ("age:seconds/0.5", Age(Unit.SECONDS, 0.5)),
        ("change", Change()),
        ("ema:10,30", Averages((10, 30))),
        ("ema:500ms, 10s,2m", Averages((0.5, 10, 120), Unit.SECONDS)),
    ],
)
def test_a_channel_is_read_as_people_write_it(text: str, channel: Channel) -> None:
    assert parse_channel(text) == channel


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be one such as value, change, observed"),
        ("speed", "must be one such as value, change, observed"),
        ("delta:window", "'window' is not a valid DeltaPer"),
        ("age/0", "scale must be positive"),
        ("value/2", "value has no scale"),
        ("observed:sensor", "observed has no choice"),
        ("ema", "spans are numbers of steps"),
        ("ema:ten", "spans are numbers of steps"),
        ("ema:10,30s", "all numbers of steps, or all durations"),
        ("ema:0.5", "at least 1"),
    ],
)
def test_what_is_no_channel_is_explained(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        parse_channel(text)

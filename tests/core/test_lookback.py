"""A condensed window with further steps has, for those steps, the inputs of the whole window, bit by bit."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import Age, Change, Delta, DeltaPer, FeatureSpec, Observed, Unit, Value, make_inputs, ragged
from pipeline.core.lookback import condensed, prolonged
from pipeline.records import Window
from tests.support.windows import make_window

SENSORS = ("x", "y", "z")
CHANNELS = (Value(), Change(), Observed(), Delta(), Delta(DeltaPer.SENSOR, 60), Age(), Age(Unit.SECONDS, 7))

rows = st.lists(st.tuples(*[st.sampled_from([math.nan, math.nan, 0.0, 1.5, -2.0, 3e38])] * 3), min_size=1, max_size=14)
growths = st.lists(st.tuples(rows, st.lists(st.integers(1, 14), max_size=4), st.integers(1, 50)), min_size=1, max_size=4)


def of_first(window: Window, steps: int) -> Window:
    """The window as it was with its first steps."""
    return msgspec.structs.replace(window, times=window.times[: 8 * steps], values=window.values[: 4 * len(SENSORS) * steps])


def grown(window: Window, at: list[int]) -> tuple[Window, int]:
    """The window after it was condensed at each of these lengths, and how many of its steps are new since the last."""
    looked_at, seen = window, 0
    for steps in sorted(step for step in {*at} if step < window.length):
        part = of_first(window, steps)
        [earlier] = condensed([part if not seen else prolonged(looked_at, part, seen)])
        looked_at, seen = earlier, steps
    return (prolonged(looked_at, window, seen) if seen else window), window.length - seen


@pytest.mark.parametrize("fill", ["zero", "forward", -3.5])
@given(growths)
def test_further_steps_have_the_inputs_of_the_whole_window(
    fill: Any, given_windows: list[tuple[list[tuple[float, float, float]], list[int], int]]
) -> None:
    spec = FeatureSpec((1, 2, 0), (3, 4, 1), CHANNELS, fill)
    windows, parts = [], []
    for number, (values, at, position) in enumerate(given_windows):
        times = np.cumsum(np.arange(1, len(values) + 1) * 700 + number).tolist()
        windows.append(msgspec.structs.replace(make_window(values, SENSORS, times=times), position=position))
        parts.append(grown(windows[-1], at))
    whole = np.split(make_inputs(ragged(windows), spec), np.cumsum([window.length for window in windows])[:-1])
    pieces = np.split(make_inputs(ragged([part for part, _ in parts]), spec), np.cumsum([part.length for part, _ in parts])[:-1])
    for wanted, found, (_, new) in zip(whole, pieces, parts, strict=True):
        assert found[-new:].tobytes() == wanted[-new:].tobytes()


def test_of_a_long_window_few_steps_are_left() -> None:
    values = np.random.default_rng(0).normal(size=(200, 3))
    values[::7, 0] = math.nan
    values[-3:, 1] = math.nan
    [complete, gaps, one] = condensed(
        [make_window(np.ones((200, 3)), SENSORS), make_window(values, SENSORS), make_window([[math.nan] * 3], SENSORS)]
    )
    assert (complete.length, gaps.length, one.length) == (2, 4, 1)
    assert complete.position + complete.length - 1 == 200, "the last step keeps its number"


def test_windows_condensed_together_are_what_each_is_alone() -> None:
    random = np.random.default_rng(1)
    windows = [
        make_window(np.where(random.random((length, 3)) < 0.5, math.nan, 1.0), SENSORS, device=f"pump-{length}") for length in range(1, 12)
    ]
    together = condensed(windows)
    for window, found in zip(windows, together, strict=True):
        alone = condensed([window])[0]
        assert (found.times, found.position) == (alone.times, alone.position)
        assert np.array_equal(np.frombuffer(found.values, "<f4"), np.frombuffer(alone.values, "<f4"), equal_nan=True)

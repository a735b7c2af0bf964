"""A recording labels itself: by what is left until a device's end, and by what comes next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.channels import Unit
from pipeline.core.policy import Count, Hopping, Overflow, WindowPolicy
from pipeline.core.scaling import Condition, Scaling
from pipeline.errors import ConfigurationError
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading, Window
from pipeline.training.step_labels import end_of_life_table, next_step_table, scaled_next_steps, single_steps
from pipeline.wire.readings import ReadingDecoder
from tests.support.windows import session_policy
from tests.training.fleet import Fleet

POLICY = session_policy()


def steps_of(*readings: tuple[str, int, dict[str, float]], policy: WindowPolicy = POLICY) -> list[Window]:
    """Single steps of readings (device, second, values)."""
    recorded = [Reading(device, 1_000 * second, {**values}) for device, second, values in readings]
    return list(windows_of(recorded, single_steps(policy), ReadingDecoder(("x", "y"))))


def lived(device: str, *seconds: int) -> list[tuple[str, int, dict[str, float]]]:
    return [(device, second, {"x": float(second)}) for second in seconds]


def test_the_label_is_how_many_steps_or_seconds_are_left() -> None:
    steps = steps_of(*lived("a", 1, 2, 5), *lived("b", 7))
    by_steps, by_seconds = end_of_life_table(steps, Unit.STEPS), end_of_life_table(steps, Unit.SECONDS)
    assert dict(by_steps.rows) == {("a", 1_000): 0, ("a", 2_000): 1, ("a", 5_000): 2, ("b", 7_000): 3}
    assert by_steps.outputs == ("rul",)
    assert by_steps.targets.ravel().tolist() == [2, 1, 0, 0]
    assert by_seconds.targets.ravel().tolist() == [4, 3, 0, 0]


def test_what_is_left_is_capped() -> None:
    table = end_of_life_table(steps_of(*lived("a", 1, 2, 3, 4)), Unit.STEPS, cap=2, output="cycles")
    assert (table.outputs, table.targets.ravel().tolist()) == (("cycles",), [2, 2, 1, 0])


def test_what_is_left_counts_to_the_last_step_of_the_recording_over_all_silences() -> None:
    table = end_of_life_table(steps_of(*lived("a", 1, 2, 1_000)), Unit.SECONDS)
    assert table.targets.ravel().tolist() == [999, 998, 0]


def test_the_next_step_is_told_as_it_is() -> None:
    steps = steps_of(("a", 1, {"x": 1.0}), ("b", 1, {"x": 9.0}), ("a", 2, {"y": 4.0}), ("a", 3, {"x": 3.0, "y": 5.0}))
    table = next_step_table(steps, ["y", "x"])
    assert table.outputs == ("next_y", "next_x")
    assert {key: table.targets[row].tolist() for key, row in table.rows.items()} == {
        ("a", 1_000): [4, pytest.approx(np.nan, nan_ok=True)],
        ("a", 2_000): [5, 3],
    }


def test_no_step_is_next_after_the_end_of_an_episode() -> None:
    assert set(next_step_table(steps_of(*lived("a", 1, 2, 100, 101)), ["x"]).rows) == {("a", 1_000), ("a", 100_000)}


def test_a_late_step_has_its_place_and_what_it_adds_to_another_counts() -> None:
    steps = steps_of(
        *(("a", 10, {"x": 1.0}), ("a", 30, {"x": 3.0}), ("a", 20, {"x": 2.0}), ("a", 60, {"x": 6.0}), ("a", 30, {"x": 3.5})),
        policy=replace(POLICY, allowed_lateness_ms=60_000),
    )
    table = next_step_table(steps, ["x"])
    assert {time: table.targets[row].tolist() for (_, time), row in table.rows.items()} == {10_000: [2], 20_000: [3.5], 30_000: [6]}
    assert end_of_life_table(steps, Unit.STEPS).targets.ravel().tolist() == [3, 2, 1, 0]


def test_a_recording_without_a_next_step_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nothing to forecast"):
        next_step_table(steps_of(*lived("a", 1)), ["x"])


def test_next_steps_are_scaled_by_their_own_condition() -> None:
    conditions = (Condition((-1,), (0, 10), (1, 2)), Condition((1,), (0, 20), (1, 4)))
    scaling = Scaling((0, 0), (1, 1), (0,), conditions)
    found = scaled_next_steps(np.array([[-1, 12], [1, 12], [np.nan, np.nan]], np.float32), scaling)
    assert np.array_equal(found, np.array([[-1, 1], [1, -2], [np.nan, np.nan]], np.float32), equal_nan=True)


@pytest.mark.parametrize(
    "policy",
    [
        session_policy(max_length=40),
        replace(session_policy(max_length=40), allowed_lateness_ms=5_000, emit_every=7),
        replace(session_policy(max_length=40), overflow=Overflow.TRUNCATE),
        replace(session_policy(max_length=40), carry=5, min_length=9),
        replace(session_policy(), shape=Hopping(size_ms=60_000, step_ms=30_000)),
        replace(session_policy(), shape=Count(size=20, step=7, partial_start=True)),
    ],
    ids=["session", "late and early", "truncated", "carry", "hopping", "count"],
)
def test_every_step_that_a_window_can_end_with_is_there(policy: WindowPolicy, fleet: Fleet) -> None:
    """Whatever the windows, so that a label never depends on how they are cut."""
    table = end_of_life_table(fleet.windows(single_steps(policy)), Unit.STEPS)
    ends = {(window.device, int(np.frombuffer(window.times, "<i8")[-1])) for window in fleet.windows(policy)}
    assert len(ends) > 100
    assert ends <= set(table.rows)

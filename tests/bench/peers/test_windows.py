"""How windows that came are compared with those expected: what counts as right, wrong, missing, repeated."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.peers.windows import Role, Sent, Window, judge, of_good_readings, placed, sessions

GAP_MS = 10


def sent(device: str, *times: int, role: Role = Role.GOOD) -> list[Sent]:
    return [Sent(0, 0, device, time, role) for time in times]


def test_a_reading_at_exactly_the_gap_belongs_and_one_later_does_not() -> None:
    assert sessions(sent("a", 0, 10, 21), GAP_MS) == [Window("a", (0, 10)), Window("a", (21,))]


def test_only_good_readings_of_one_device_make_a_session() -> None:
    records = [*sent("a", 5, 0), *sent("b", 3), *sent("a", 4, role=Role.LATE), *sent("a", 12, role=Role.CLOSING)]
    assert sessions(records, GAP_MS) == [Window("a", (0, 5)), Window("b", (3,))]


@given(st.lists(st.integers(0, 500), min_size=1))
def test_sessions_hold_together_hold_everything_and_are_further_apart_than_the_gap(times: list[int]) -> None:
    windows = sessions(sent("a", *times), GAP_MS)
    assert [time for window in windows for time in window.times] == sorted(set(times))
    assert all(window.holds_together(GAP_MS) for window in windows)
    assert all(later.times[0] - earlier.times[-1] > GAP_MS for earlier, later in pairwise(windows))


EXPECTED = [Window("a", (0, 5)), Window("a", (30, 31)), Window("b", (1, 2))]


@pytest.mark.parametrize(
    ("came", "verdict"),
    [
        (EXPECTED, "right"),
        ([*reversed(EXPECTED)], "right"),
        ([*EXPECTED, EXPECTED[0], EXPECTED[0]], "right, 2 repeats"),
        (EXPECTED[:2], "2 of 3 right"),
        ([], "0 of 3 right"),
        ([*EXPECTED, Window("b", (1,))], "3 of 3 right, 1 wrong"),
        ([Window("a", (5, 0)), *EXPECTED[1:]], "2 of 3 right, 1 wrong"),
        ([Window("b", (0, 5)), *EXPECTED[1:], EXPECTED[2]], "2 of 3 right, 1 wrong, 1 repeats"),
    ],
    ids=["all", "another order", "repeats", "one missing", "nothing", "part of one", "steps out of order", "another device"],
)
def test_windows_are_right_with_exactly_their_readings_in_order(came: list[Window], verdict: str) -> None:
    assert str(judge(EXPECTED, came)) == verdict


def test_windows_that_the_case_only_makes_to_close_others_do_not_count_but_those_with_a_good_reading_do() -> None:
    records = [*sent("a", 0, 5), *sent("a", 90, role=Role.CLOSING), *sent("a", 7200, role=Role.FUTURE)]
    aside = [Window("a", (90,)), Window("a", (7200,)), Window("warm", (0,))]
    thrown_together = Window("a", (0, 5, 90))
    assert of_good_readings(records, [*aside, thrown_together]) == [thrown_together]


def test_a_reading_is_placed_in_one_session_and_not_in_several_thrown_together() -> None:
    readings = sent("a", 0, 5, 40)
    assert placed(readings, [Window("a", (0, 5)), Window("a", (30, 40, 7200))], GAP_MS) == 2
    assert placed(readings, [Window("b", (0, 5))], GAP_MS) == 0

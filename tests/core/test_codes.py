"""Codes that a model embeds: what an unobserved one becomes, and which windows no model can take."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.codes import ANY_CODE, CodedSensor, make_codes
from pipeline.core.ragged import Fill, ragged
from tests.support.windows import make_window

NAN = math.nan
MODE = CodedSensor("mode", vocabulary=5)
SPARE = CodedSensor("mode", vocabulary=5, unobserved=4)


def codes(sensor: CodedSensor, *windows: list[float], fill: Fill = "zero", last: int | None = None) -> tuple[list[int], dict[int, str]]:
    made = make_codes(ragged([make_window([[value] for value in values], ["mode"]) for values in windows]), [sensor], fill, last)
    return made.rows[:, 0].tolist(), dict(made.refused)


def test_codes_go_in_as_they_are() -> None:
    assert codes(MODE, [1, 4], [2]) == ([1, 4, 2], {})


def test_an_unobserved_code_is_the_last_observed_one_where_the_fill_rule_says_so() -> None:
    assert codes(MODE, [3, NAN, NAN], [2, NAN], fill="forward") == ([3, 3, 3, 2, 2], {})


def test_an_unobserved_code_is_else_the_code_of_what_is_not_there() -> None:
    assert codes(SPARE, [3, NAN]) == ([3, 4], {})
    assert codes(SPARE, [NAN, 3, NAN], fill="forward") == ([4, 3, 3], {})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (NAN, "mode is unobserved, and the model has no code for that; bundle the model with --fill forward, or with an Embedding"),
        (0, "mode is 0, which the model takes for padding; report codes from 1 to 4"),
        (5, "mode is 5, which is none of the codes 1 to 4 that the model knows"),
        (1.5, "mode is 1.5, which is none of the codes"),
        (-1, "mode is -1, which is none of the codes"),
    ],
)
def test_a_value_that_is_no_code_refuses_its_window_and_no_other(value: float, says: str) -> None:
    rows, refused = codes(MODE, [1, 2], [3, value, 2], [4])

    assert list(refused) == [1]
    assert says in refused[1]
    assert rows == [1, 2, 3, ANY_CODE, 2, 4]


def test_only_the_last_steps_count_but_their_fill_may_come_from_before() -> None:
    assert codes(MODE, [0, 2, NAN, 3], [9, 1], fill="forward", last=2) == ([2, 3, ANY_CODE, 1], {1: codes(MODE, [9])[1][0]})


def test_each_sensor_has_its_own_vocabulary_and_the_first_that_is_wrong_is_named() -> None:
    steps = ragged([make_window([[1, 7]], ["mode", "state"]), make_window([[9, 9]], ["mode", "state"])])

    made = make_codes(steps, [MODE, CodedSensor("state", vocabulary=8)], "zero")

    assert made.rows.tolist() == [[1, 7], [ANY_CODE, ANY_CODE]]
    assert made.refused[1].startswith("mode is 9")


@given(st.lists(st.lists(st.sampled_from([NAN, 0.0, 1.0, 3.0, 9.0]), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 6))
def test_a_window_has_the_same_codes_whatever_windows_it_is_joined_with(windows: list[list[float]], last: int) -> None:
    together, refused = codes(MODE, *windows, fill="forward", last=last)
    alone = [codes(MODE, window, fill="forward", last=last) for window in windows]

    assert together == [code for rows, _ in alone for code in rows]
    assert refused == {index: reasons[0] for index, (_, reasons) in enumerate(alone) if reasons}
    assert all(1 <= code < MODE.vocabulary for code in together)

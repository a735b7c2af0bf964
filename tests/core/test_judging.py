"""Measures of goodness against their definitions, and against cases done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.judging import auroc, f1_macro, false_alarm_rate, mae, missed_alarm_rate, phm_score, rmse

cases = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=30)


def test_errors_are_in_the_unit_of_the_quantity() -> None:
    found, wanted = np.array([3.0, 0.0]), np.array([0.0, 4.0])
    assert rmse(found, wanted) == pytest.approx(np.sqrt(12.5))
    assert mae(found, wanted) == 3.5


def test_a_late_prediction_of_the_end_costs_more_than_an_early_one() -> None:
    truth = np.array([50.0])
    assert phm_score(truth, truth) == 0
    assert phm_score(truth + 10, truth) == pytest.approx(np.e - 1)
    assert phm_score(truth - 13, truth) == pytest.approx(np.e - 1)


def test_a_class_that_is_neither_there_nor_answered_does_not_count() -> None:
    assert f1_macro(np.array([0, 0, 2]), np.array([0, 0, 2])) == 1
    assert f1_macro(np.array([0, 0]), np.array([0, 2])) == pytest.approx((2 / 3 + 0) / 2)


@given(cases)
def test_auroc_is_the_share_of_pairs_in_the_right_order(drawn: list[tuple[int, bool]]) -> None:
    scores, wanted = np.array([score for score, _ in drawn], float), np.array([truth for _, truth in drawn])
    pairs = [(high > low) + (high == low) / 2 for high in scores[wanted] for low in scores[~wanted]]
    if pairs:
        assert auroc(scores, wanted) == pytest.approx(np.mean(pairs))
    else:
        assert auroc(scores, wanted) is None


def test_alarms_are_false_among_the_healthy_and_missed_among_the_ill() -> None:
    found, wanted = np.array([True, False, False, True]), np.array([True, True, False, False])
    assert false_alarm_rate(found, wanted) == 0.5
    assert missed_alarm_rate(found, wanted) == 0.5
    assert missed_alarm_rate(found, np.zeros(4, np.bool_)) is None
    assert false_alarm_rate(found, np.ones(4, np.bool_)) is None

"""Verdicts on cases done by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.cases import Cases, Counts
from pipeline.evaluation.judge import Judgement, judge, measures

NAN = np.nan


def cases_of(
    found: Sequence[Sequence[float]],
    wanted: Sequence[Sequence[float]],
    outputs: tuple[str, ...] = ("rul",),
    lengths: list[int] | None = None,
) -> Cases:
    steps = tuple(("a", number) for number in range(len(found)))
    counts = Counts(len(found), 0, 0, 0)
    return Cases(outputs, steps, np.array(lengths or [1] * len(found)), np.array(found, float), np.array(wanted, float), counts)


def test_quantities_are_judged_with_labels_as_they_are_and_capped() -> None:
    rul = judge("regression", cases_of([[130], [10]], [[200], [14]]), Judgement(cap=125))["rul"]
    assert (rul["mae"], rul["mae_capped"]) == (37, 4.5)
    assert rul["rmse"] == pytest.approx(np.sqrt((70**2 + 4**2) / 2))
    assert rul["rmse_capped"] == pytest.approx(np.sqrt((5**2 + 4**2) / 2))
    assert rul["phm_score_capped"] == pytest.approx(np.expm1(0.5) + np.expm1(4 / 13))


def test_without_a_cap_there_are_no_capped_measures() -> None:
    assert not [name for name in judge("regression", cases_of([[1]], [[2]]), Judgement())["rul"] if "cap" in name]


def test_each_output_is_judged_by_itself() -> None:
    report = judge("regression", cases_of([[1, 5]], [[2, 9]], ("wear", "load")), Judgement())
    assert (report["wear"]["mae"], report["load"]["mae"]) == (1, 4)


def test_a_score_that_no_number_can_hold_is_left_open() -> None:
    report = judge("regression", cases_of([[1e6]], [[0]]), Judgement())
    assert report["rul"]["phm_score"] is None
    assert ("rul: phm score", "-") in list(measures(report))


def test_an_answer_other_than_the_normal_class_is_an_alarm() -> None:
    outputs = ("empty", "one", "two")
    found = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7], [0.9, 0.1, 0]]
    wanted = [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    report = judge("classification", cases_of(found, wanted, outputs), Judgement())
    assert report["accuracy"] == 0.25
    assert report["accuracy_of_most_frequent"] == 0.5
    assert (report["normal"], report["false_alarm_rate"], report["missed_alarm_rate"]) == ("empty", 0.5, 0.5)
    assert report["auroc"]["empty"] == 0.375
    other = judge("classification", cases_of(found, wanted, outputs), Judgement(normal="one"))
    assert (other["false_alarm_rate"], other["missed_alarm_rate"]) == (1, pytest.approx(1 / 3))


def test_the_error_of_a_forecast_is_its_anomaly_score() -> None:
    cases = cases_of([[0, 0]] * 4, [[0.1, 0.1], [3, NAN], [0.2, 0.2], [2, 2]], ("next_x", "next_y"))
    labels = {("a", 0): False, ("a", 1): True, ("a", 2): True}
    report = judge("forecast", cases, Judgement(threshold=1, anomalies=labels))
    assert (report["labelled"], report["anomalies"], report["auroc"]) == (3, 2, 1)
    assert (report["false_alarm_rate"], report["missed_alarm_rate"]) == (0, 0.5)
    assert report["share_above_threshold"] == 0.5


def test_a_forecast_without_labels_is_judged_by_its_error_alone() -> None:
    report = judge("forecast", cases_of([[1.0], [1.0]], [[3.0], [NAN]], ("next_x",)), Judgement())
    assert report["rmse"] == 2
    assert "auroc" not in report


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(-5, 5)), min_size=1, max_size=40))
def test_errors_by_length_are_of_all_windows_together(drawn: list[tuple[int, float]]) -> None:
    lengths, errors = [length for length, _ in drawn], [error for _, error in drawn]
    rul = judge("regression", cases_of([[error] for error in errors], [[0.0]] * len(errors), lengths=lengths), Judgement())["rul"]
    groups = rul["by_length"]
    assert sum(group["windows"] for group in groups) == len(drawn)
    squares = sum(group["windows"] * group["rmse"] ** 2 for group in groups)
    assert squares / len(drawn) == pytest.approx(rul["rmse"] ** 2, rel=1e-5, abs=1e-9)

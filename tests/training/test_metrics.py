"""Figures of held-out windows, by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.metrics import errors_by_length, forecast_errors, forecast_metrics

NAN = np.nan


def test_the_error_of_a_forecast_is_of_what_was_observed() -> None:
    found = np.array([[1, 2], [1, 2], [1, 2]], np.float32)
    wanted = np.array([[4, 6], [4, NAN], [NAN, NAN]], np.float32)
    np.testing.assert_allclose(forecast_errors(found, wanted), [12.5**0.5, 3, NAN])


def test_the_threshold_is_what_the_quantile_of_the_windows_stays_below() -> None:
    wanted = np.zeros((101, 1), np.float32)
    found = np.arange(101, dtype=np.float32)[:, None]
    metrics = forecast_metrics(found, wanted, np.array([2], np.float32), 0.9)
    assert metrics == pytest.approx({"rmse": float(np.sqrt(np.mean(found**2))), "rmse_of_mean": 2, "quantile": 0.9, "threshold": 90})


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=200), groups=st.integers(1, 9))
def test_each_window_is_in_one_group_of_like_lengths(lengths: list[int], groups: int) -> None:
    errors = np.ones(len(lengths), np.float32)
    found = errors_by_length(errors, np.array(lengths), groups)
    assert 1 <= len(found) <= groups
    assert sum(windows for _, _, windows, _ in found) == len(lengths)
    assert [error for *_, error in found] == pytest.approx([1] * len(found))
    for (_, longest, *_), (shortest, *_) in pairwise(found):
        assert longest < shortest
    assert (found[0][0], found[-1][1]) == (min(lengths), max(lengths))

"""Padding goes on the right, and a real step never looks like it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.padding import away_from_padding, collides, is_usable_padding, mask, moved, pad

PADDING_VALUES = (0.0, -1.0, 99.9, 1e30, -1e30, 1e-30)
SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal


def test_real_steps_come_first_and_the_padding_after_them() -> None:
    rows = np.arange(1, 9, dtype=np.float32).reshape(4, 2)

    padded = pad(rows, np.array([1, 3]), 4, -1.0)

    assert padded.tolist() == [[[1, 2], [-1, -1], [-1, -1], [-1, -1]], [[3, 4], [5, 6], [7, 8], [-1, -1]]]


def test_codes_are_padded_without_a_feature_axis() -> None:
    padded = pad(np.array([3, 1, 2], np.int32), np.array([1, 2]), 3, 0)

    assert padded.dtype == np.int32
    assert padded.tolist() == [[3, 0, 0], [1, 2, 0]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 5))
def test_the_mask_gives_back_exactly_the_rows_that_were_padded(lengths: list[int], more: int) -> None:
    counts, padded_to = np.array(lengths), max(lengths) + more
    rows = np.arange(2 * counts.sum(), dtype=np.float32).reshape(-1, 2)

    padded = pad(rows, counts, padded_to, -1.0)

    assert padded.shape == (len(lengths), padded_to, 2)
    assert (padded[mask(counts, padded_to)] == rows).all()
    assert (padded[~mask(counts, padded_to)] == -1).all()


@pytest.mark.parametrize("padding_value", PADDING_VALUES)
def test_a_moved_value_is_normal_close_and_no_longer_the_padding_value(padding_value: float) -> None:
    value = moved(padding_value)

    assert value != np.float32(padding_value)
    assert abs(value) >= SMALLEST_NORMAL
    assert abs(value - np.float32(padding_value)) <= max(1e-30, abs(padding_value) * 2e-7)


def test_a_moved_zero_survives_a_scaling_before_the_mask() -> None:
    assert abs(moved(0.0) * np.float32(1e-7)) >= SMALLEST_NORMAL


@pytest.mark.parametrize("padding_value", PADDING_VALUES)
def test_only_the_first_feature_of_a_colliding_step_is_moved(padding_value: float) -> None:
    rows = np.array([[1, 2], [padding_value, padding_value], [padding_value, 2]], np.float32)

    safe, count = away_from_padding(rows, padding_value)

    assert count == 1
    assert safe[1].tolist() == [moved(padding_value), np.float32(padding_value)]
    assert (safe[[0, 2]] == rows[[0, 2]]).all()
    assert rows[1, 0] == np.float32(padding_value), "the rows given are left as they were"


def test_a_denormal_step_collides_with_zero_because_it_would_be_flushed_to_it() -> None:
    assert collides(np.array([[1e-40, -0.0], [1e-40, 1e-30]], np.float32), 0.0).tolist() == [True, False]


@given(st.lists(st.lists(st.sampled_from([0.0, -0.0, 1e-40, -1.0, 5.0]), min_size=2, max_size=2), min_size=1), st.sampled_from([0.0, -1.0]))
def test_no_step_collides_after_it_was_moved(rows: list[list[float]], padding_value: float) -> None:
    safe, _ = away_from_padding(np.array(rows, np.float32), padding_value)

    assert not collides(safe, padding_value).any()


@pytest.mark.parametrize("padding_value", [float("nan"), float("inf"), 1e-40, 1e31])
def test_values_that_cannot_mark_padding_are_not_usable(padding_value: float) -> None:
    assert not is_usable_padding(padding_value)

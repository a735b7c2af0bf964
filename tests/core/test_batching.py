"""Batches cover every window once, stay within their bounds, and make little padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.core.batching import Batch, BatchPolicy, cut_batches, order_by_length, restore_order

LENGTHS = st.lists(st.integers(1, 300), max_size=60).map(lambda lengths: np.sort(np.array(lengths, np.int64)))
POLICIES = st.builds(
    BatchPolicy,
    step_overhead_rows=st.integers(0, 64),
    max_rows=st.none() | st.integers(1, 40),
    max_cells=st.integers(1, 5_000),
    lengths=st.sampled_from([(), (300,), (16, 64, 400)]),
)


def cost(batches: list[Batch], overhead: int) -> int:
    return sum(batch.padded_to * (overhead + batch.end - batch.begin) for batch in batches)


@given(LENGTHS, POLICIES)
def test_every_window_is_in_one_batch_that_it_fits_into(lengths: NDArray[np.int64], policy: BatchPolicy) -> None:
    batches = cut_batches(lengths, policy)

    assert [index for batch in batches for index in range(batch.begin, batch.end)] == list(range(len(lengths)))
    assert all(lengths[batch.begin : batch.end].max() <= batch.padded_to for batch in batches)


@given(LENGTHS, POLICIES)
def test_a_batch_is_bounded_in_cells_unless_it_is_one_window(lengths: NDArray[np.int64], policy: BatchPolicy) -> None:
    batches = cut_batches(lengths, policy)

    assert all((batch.end - batch.begin) * batch.padded_to <= max(policy.max_cells, batch.padded_to) for batch in batches)


@given(LENGTHS, POLICIES)
def test_a_batch_is_bounded_in_windows(lengths: NDArray[np.int64], policy: BatchPolicy) -> None:
    assert all(batch.end - batch.begin <= (policy.max_rows or len(lengths)) for batch in cut_batches(lengths, policy))


def test_the_parts_of_a_batch_are_padded_to_their_own_longest() -> None:
    lengths = np.array([8, 8, 9, 9])

    assert cut_batches(lengths, BatchPolicy(max_rows=2)) == [Batch(0, 2, 8), Batch(2, 4, 9)]


@given(LENGTHS)
def test_windows_are_padded_only_to_the_lengths_allowed(lengths: NDArray[np.int64]) -> None:
    batches = cut_batches(lengths, BatchPolicy(lengths=(16, 64, 400)))

    assert {batch.padded_to for batch in batches} <= {16, 64, 400}


@given(st.lists(st.integers(1, 12), min_size=1, max_size=7).map(sorted), st.integers(0, 9))
def test_no_other_cut_costs_less(lengths: list[int], overhead: int) -> None:
    found = cost(cut_batches(np.array(lengths), BatchPolicy(step_overhead_rows=overhead)), overhead)

    def least(rest: tuple[int, ...]) -> int:
        return min((rest[end - 1] * (overhead + end) + least(rest[end:]) for end in range(1, len(rest) + 1)), default=0)

    assert found == least(tuple(lengths))


def test_the_long_tail_does_not_pad_the_many_short_windows() -> None:
    lengths = np.array([10] * 500 + [250])

    assert cut_batches(lengths, BatchPolicy()) == [Batch(0, 500, 10), Batch(500, 501, 250)]


def test_few_windows_of_nearly_one_length_make_one_batch() -> None:
    assert cut_batches(np.array([30, 31, 33]), BatchPolicy()) == [Batch(0, 3, 33)]


def test_a_window_longer_than_every_allowed_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="a window has 65 steps"):
        cut_batches(np.array([65]), BatchPolicy(lengths=(16, 64)))


@given(st.lists(st.integers(1, 50)))
def test_results_come_back_in_the_order_of_the_windows(lengths: list[int]) -> None:
    given_order = np.array(lengths, np.int64)
    order = order_by_length(given_order)

    assert (np.diff(given_order[order]) >= 0).all()
    assert restore_order(given_order[order], order).tolist() == lengths


@pytest.mark.parametrize("lengths", [(64, 16), (16, 16), (0, 4)])
def test_lengths_that_do_not_ascend_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        BatchPolicy(lengths=lengths)

"""Which windows are scored together: sorted by length, cut where padding would cost more than one more batch.

Cost model: a recurrent layer walks over the padded steps one by one, and a step costs an overhead plus the rows of the
batch; so a batch costs padded_to x (step_overhead_rows + rows). The cut with the least total is found exactly, by
dynamic programming over the distinct lengths. Rejected: a fixed share of padding that is tolerated; the best share
depends on the number of windows, and a wrong one cost 20 % more.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class BatchPolicy:
    """What a batch may be. `lengths`: the only lengths to pad to, ascending; empty: any."""

    step_overhead_rows: int = 32
    max_rows: int | None = None  # where larger batches are no faster, smaller ones have less padding
    max_cells: int = 131_072  # rows x padded_to: bounds memory; a single longer window still makes a batch
    lengths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.step_overhead_rows < 0 or self.max_cells < 1 or (self.max_rows or 1) < 1:
            raise ValueError("step_overhead_rows must not be negative, max_cells and max_rows at least 1")
        if list(self.lengths) != sorted(set(self.lengths)) or any(length < 1 for length in self.lengths):
            raise ValueError(f"lengths = {self.lengths}: must be positive and ascending")


class Batch(NamedTuple):
    """Windows `begin` to `end` (exclusive) in the order of length, padded to `padded_to` steps."""

    begin: int
    end: int
    padded_to: int


def order_by_length(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the windows, the shortest first; equal lengths keep their order."""
    return np.argsort(lengths, kind="stable")


def restore_order(ordered: NDArray[Scalar], order: NDArray[np.int64]) -> NDArray[Scalar]:
    """Undoes `order_by_length` for results in its order."""
    restored = np.empty_like(ordered)
    restored[order] = ordered
    return restored


def cut_batches(lengths: NDArray[np.int64], policy: BatchPolicy) -> list[Batch]:
    """Batches that cover windows of ascending lengths. Raises `ValueError` for one longer than all of `policy.lengths`."""
    if not len(lengths):
        return []
    allowed = _allowed(lengths, policy)
    if len(lengths) == 1:
        return [Batch(0, 1, int(allowed[0]))]
    padded, counts = np.unique(allowed, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(counts)])
    batches = []
    for begin, end in _cheapest_cuts(padded, ends, policy.step_overhead_rows):
        batches += _bounded(allowed, int(ends[begin]), int(ends[end]), policy)
    return batches


def _allowed(lengths: NDArray[np.int64], policy: BatchPolicy) -> NDArray[np.int64]:
    if not policy.lengths:
        return lengths
    if lengths[-1] > policy.lengths[-1]:
        raise ValueError(f"a window has {lengths[-1]} steps; the greatest length to pad to is {policy.lengths[-1]}")
    allowed = np.array(policy.lengths, np.int64)
    return allowed[np.searchsorted(allowed, lengths)]


def _cheapest_cuts(padded: NDArray[np.int64], ends: NDArray[Any], overhead: int) -> list[tuple[int, int]]:
    """Ranges of distinct lengths with the least cost; `ends[i]` windows are shorter than `padded[i]`."""
    cost = np.zeros(len(padded) + 1)
    begin_of = np.zeros(len(padded) + 1, np.int64)
    for end in range(1, len(padded) + 1):
        totals = cost[:end] + padded[end - 1] * (overhead + ends[end] - ends[:end])
        begin_of[end] = np.argmin(totals)
        cost[end] = totals[begin_of[end]]
    cuts = []
    end = len(padded)
    while end:
        cuts.append((int(begin_of[end]), end))
        end = int(begin_of[end])
    return cuts[::-1]


def _bounded(padded: NDArray[np.int64], begin: int, end: int, policy: BatchPolicy) -> list[Batch]:
    """The windows from `begin` to `end` in equal parts within the bounds, each padded to its own longest."""
    rows = end - begin
    most = max(1, policy.max_cells // int(padded[end - 1]))
    parts = -(-rows // min(most, policy.max_rows or most))
    edges = [begin + rows * part // parts for part in range(parts + 1)]
    return [Batch(start, stop, int(padded[stop - 1])) for start, stop in pairwise(edges)]

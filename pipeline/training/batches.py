"""Training batches: windows of like length together, by the scorer's own cuts, in a new order each epoch. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy, cut_batches, order_by_length
from pipeline.core.padding import mask, pad
from pipeline.scoring.engine import Inputs
from pipeline.training.dataset import PADDING_VALUE, Examples

# One bucket may be larger than any batch: it is cut again, into batches of the recipe's size.
_MAX_CELLS = 2**62


class Members(NamedTuple):
    """Which windows make a batch."""

    windows: NDArray[np.int64]  # indices
    padded_to: int


class TrainingBatch(NamedTuple):
    """Windows, padded on the right."""

    inputs: tuple[Inputs, ...]  # each windows x padded_to (x columns)
    targets: NDArray[np.float32]  # windows x outputs, NaN = none
    weights: NDArray[np.float32]  # windows


@dataclass(frozen=True)
class Thinning:
    """Which windows of each device an epoch takes: every `stride`-th, from another one on each time; at least one."""

    devices: NDArray[np.int64]  # windows: the number of the device, from 0; those of a device in their order
    stride: int

    def choose(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Indices of the chosen windows."""
        order = np.argsort(self.devices, kind="stable")
        counts = np.bincount(self.devices)
        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = random.integers(0, np.clip(counts, 1, self.stride))
        return np.flatnonzero((number - first[self.devices]) % self.stride == 0)


class TrainingBatches:
    """The batches of each epoch. Within a bucket of lengths windows are shuffled, then the batches are.

    An epoch is a function of its number and the seed: whoever goes on with epoch 7 gets what he would have got.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        seed: int,
        *,
        weights: NDArray[np.float32] | None = None,
        thinning: Thinning | None = None,
    ) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._seed = seed
        self._weights = np.ones(len(examples.lengths), np.float32) if weights is None else weights
        self._thinning = thinning
        self._first_rows = np.cumsum(examples.lengths) - examples.lengths

    @property
    def examples(self) -> Examples:
        """What the batches are made of."""
        return self._examples

    def plan(self, epoch: int) -> list[Members]:
        """The batches of an epoch, in its order; each chosen window is in one of them."""
        random = np.random.default_rng([self._seed, epoch])
        lengths = self._examples.lengths
        chosen = np.arange(len(lengths)) if self._thinning is None else self._thinning.choose(random)
        order = chosen[order_by_length(lengths[chosen])]
        batches = []
        for begin, end, padded_to in cut_batches(lengths[order], BatchPolicy(step_overhead_rows=self._batch_size, max_cells=_MAX_CELLS)):
            shuffled = random.permutation(order[begin:end])
            parts = -(-len(shuffled) // self._batch_size)
            edges = [len(shuffled) * part // parts for part in range(parts + 1)]
            batches += [Members(shuffled[first:last], padded_to) for first, last in pairwise(edges)]
        return [batches[index] for index in random.permutation(len(batches))]

    def batch(self, members: Members) -> TrainingBatch:
        """The arrays of one batch of a plan."""
        windows, padded_to = members
        lengths = self._examples.lengths[windows]
        rows = (self._first_rows[windows][:, None] + np.arange(padded_to))[mask(lengths, padded_to)]
        inputs = tuple(pad(given[rows], lengths, padded_to, PADDING_VALUE) for given in self._examples.model_inputs)
        return TrainingBatch(inputs, self._examples.targets[windows], self._weights[windows])

"""Training batches: windows of like length together, by the scorer's own cuts, in a new order each epoch. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy, cut_batches, order_by_length
from pipeline.core.padding import mask, pad
from pipeline.training.dataset import PADDING_VALUE, Examples

TrainingBatch = tuple[NDArray[np.float32], NDArray[np.float32]]  # windows x padded_to x columns; windows x outputs

# One bucket may be larger than any batch: it is cut again, into batches of the recipe's size.
_MAX_CELLS = 2**62


class TrainingBatches:
    """The batches of each epoch. Within a bucket of lengths windows are shuffled, then the batches are."""

    def __init__(self, examples: Examples, batch_size: int, seed: int) -> None:
        self._examples = examples
        self._first_rows = np.cumsum(examples.lengths) - examples.lengths
        self._random = np.random.default_rng(seed)
        order = order_by_length(examples.lengths)
        cuts = cut_batches(examples.lengths[order], BatchPolicy(step_overhead_rows=batch_size, max_cells=_MAX_CELLS))
        self._buckets = [(order[cut.begin : cut.end], cut.padded_to) for cut in cuts]
        self._parts = [-(-len(members) // batch_size) for members, _ in self._buckets]

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return sum(self._parts)

    @property
    def widths(self) -> tuple[int, int]:
        """Number of input columns, number of outputs."""
        return self._examples.inputs.shape[1], self._examples.targets.shape[1]

    def epoch(self) -> Iterator[TrainingBatch]:
        """The batches of one more epoch; each window is in one of them."""
        batches = []
        for (members, padded_to), parts in zip(self._buckets, self._parts, strict=True):
            shuffled = self._random.permutation(members)
            edges = [len(shuffled) * part // parts for part in range(parts + 1)]
            batches += [(shuffled[begin:end], padded_to) for begin, end in pairwise(edges)]
        for index in self._random.permutation(len(batches)):
            yield self._padded(*batches[index])

    def _padded(self, members: NDArray[np.int64], padded_to: int) -> TrainingBatch:
        lengths = self._examples.lengths[members]
        rows = (self._first_rows[members][:, None] + np.arange(padded_to))[mask(lengths, padded_to)]
        return pad(self._examples.inputs[rows], lengths, padded_to, PADDING_VALUE), self._examples.targets[members]

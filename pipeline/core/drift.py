"""How far what is seen now is from what a model was trained on: numbers counted into bins, and the distance of two such counts.

The distance is the population stability index, the sum over the bins of (found - expected) x ln(found / expected), of shares
(Siddiqi, "Credit Risk Scorecards", 2006): below 0.1 little has changed, above 0.25 the model is used on something else.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

ENOUGH = 512
"""Windows before anything is said: a dozen bins that are filled by chance differ by about 12 / 512 from their expectation."""
HALF_LIFE = 2_048
"""Windows after which one counts half: of a fleet of any rate the last few thousand windows are what is seen now."""

_QUANTILES = np.arange(1, 10) / 10
_FLOOR = 1e-4  # of a share: the logarithm of an empty bin
_JUST_BELOW = 1e-6  # relative to the edge; single precision resolves a tenth of it
_TINY = 1e-30  # beside 0, as what is smaller may be flushed to 0

Rows = NDArray[np.float32]
"""Looks x things: a number of each, NaN where there is none."""


class Distribution(msgspec.Struct, frozen=True):
    """How the numbers of one thing were distributed, such as a sensor, an output of the model, the windows' length."""

    name: str
    mean: float | None  # None: there was no number
    std: float | None
    observed: float  # share of the looks that found a number
    edges: tuple[float, ...]  # ascending; bin i holds the numbers above edge i - 1, up to edge i
    shares: tuple[float, ...]  # of the looks, by bin: one more than edges; together `observed`


def distribution(name: str, numbers: NDArray[np.float32]) -> Distribution:
    """The distribution of the numbers, NaN = nothing found, in ten bins of equal share.

    A number that fills a bin alone has a bin of its own, so that a constant that moves either way is seen. Raises `ValueError`
    where there is no look.
    """
    if not numbers.size:
        raise ValueError(f"{name}: there is nothing to look at")
    found = numbers[np.isfinite(numbers)]
    if not found.size:
        return Distribution(name, None, None, 0.0, (), (0.0,))
    quantiles, times = np.unique(np.quantile(found, _QUANTILES, method="inverted_cdf"), return_counts=True)
    repeated = quantiles[times > 1].astype(np.float64)
    below = repeated - np.maximum(np.abs(repeated) * _JUST_BELOW, _TINY)
    edges = np.unique(np.concatenate([quantiles, below.astype(np.float32)]).astype(np.float32))
    counts = np.bincount(np.searchsorted(edges, found), minlength=len(edges) + 1)
    return Distribution(
        name=name,
        mean=float(found.mean(dtype=np.float64)),
        std=float(found.std(dtype=np.float64)),
        observed=found.size / numbers.size,
        edges=tuple(edges.tolist()),
        shares=tuple((counts / numbers.size).tolist()),
    )


def psi(expected: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The population stability index of shares of the same bins, along the last axis: 0 where they are equal, else positive."""
    expected, found = np.maximum(expected, _FLOOR), np.maximum(found, _FLOOR)
    index: NDArray[np.float64] = ((found - expected) * np.log(found / expected)).sum(axis=-1)
    return index


class Drift:
    """Counts what is seen into the bins of what was expected. What is older counts less; memory is that of the bins."""

    def __init__(self, reference: Sequence[Distribution]) -> None:
        """`reference`: at least one thing; rows have a column for each, in this order."""
        self.seen = 0
        self._names = tuple(of_thing.name for of_thing in reference)
        self._edges = [np.array(of_thing.edges, np.float32) for of_thing in reference]
        # All have as many bins as the one with the most; the bins that a thing lacks stay empty, which adds nothing to its index.
        # The last bin is of looks that found nothing.
        self._bins = max(map(len, self._edges)) + 2
        self._expected = np.zeros((len(reference), self._bins))
        for expected, of_thing in zip(self._expected, reference, strict=True):
            expected[: len(of_thing.shares)] = of_thing.shares
            expected[-1] = 1 - of_thing.observed
        self._counts = np.zeros_like(self._expected)

    def add(self, rows: Rows) -> None:
        """Counts further looks."""
        bins = np.stack([np.searchsorted(edges, column) for edges, column in zip(self._edges, rows.T, strict=True)])
        bins[~np.isfinite(rows.T)] = self._bins - 1
        bins += self._bins * np.arange(len(bins))[:, None]
        counted = np.bincount(bins.ravel(), minlength=self._counts.size).reshape(self._counts.shape)
        self._counts = self._counts * 0.5 ** (len(rows) / HALF_LIFE) + counted
        self.seen += len(rows)

    def psi(self) -> dict[str, float]:
        """The index of each thing by its name; empty before there is enough to say anything."""
        if self.seen < ENOUGH:
            return {}
        shares = self._counts / self._counts.sum(axis=1, keepdims=True)
        return dict(zip(self._names, psi(self._expected, shares).tolist(), strict=True))

"""How long the windows of a recording are, and what each max_length and each choice of lengths to pad to would cost.

Pure: windows in, numbers out. The windows of each choice are made by the windower (`pipeline.recordings.windows`), not
estimated. Imports no model library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pipeline.core.batching import BatchPolicy, cut_batches
from pipeline.core.policy import Count, PolicyError, WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.records import CloseReason, Window

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
UNCAPPED = 1_000_000  # steps; longer than any window that could be scored
SMALLEST_BUCKET = 8

_NO_LIMIT = 2**62


class Bar(NamedTuple):
    """A bar of the histogram: windows of `first` to `last` steps."""

    first: int
    last: int
    windows: int


@dataclass(frozen=True)
class Distribution:
    """Number of windows by their length in steps."""

    counts: Mapping[int, int]

    @property
    def windows(self) -> int:
        return sum(self.counts.values())

    @property
    def steps(self) -> int:
        return sum(length * count for length, count in self.counts.items())

    @property
    def longest(self) -> int:
        return max(self.counts, default=0)

    def quantile(self, share: float) -> int:
        """The least length that at least `share` of the windows do not exceed; there must be a window.

        >>> Distribution({3: 1, 5: 1}).quantile(0.5)
        3
        """
        reached = 0
        for length in sorted(self.counts):
            reached += self.counts[length]
            if reached >= share * self.windows:
                return length
        raise ValueError("there is no window")

    def histogram(self, bars: int = 16) -> list[Bar]:
        """At most `bars` bars of equal width, from length 1 to the longest."""
        width = max(1, -(-self.longest // bars))
        edges = [*range(1, self.longest + 1, width), self.longest + 1]
        return [
            Bar(first, after - 1, sum(count for length, count in self.counts.items() if first <= length < after))
            for first, after in pairwise(edges)
        ]


@dataclass(frozen=True)
class CapCost:
    """What a max_length does: split windows are cut in several, truncated ones lose steps."""

    max_length: int
    lengths: Distribution
    split: int  # windows that closed since they were full
    truncated: int  # windows that lost steps
    dropped: int  # steps lost
    too_short: int  # windows that would not be scored

    @property
    def padded(self) -> int:
        """Steps of padding, were every window padded to max_length."""
        return self.lengths.windows * self.max_length - self.lengths.steps


@dataclass(frozen=True)
class BucketCost:
    """What padding to certain lengths costs."""

    name: str
    lengths: tuple[int, ...]  # those that are used
    batches: int
    padded: int  # steps of padding
    steps: int  # real ones

    @property
    def share(self) -> float:
        """Of the steps computed, those that are padding."""
        return self.padded / (self.padded + self.steps)


def uncapped(policy: WindowPolicy) -> WindowPolicy:
    """The same windows without the cap on their number of steps."""
    return replace(policy, max_length=UNCAPPED)


def with_max_length(policy: WindowPolicy, max_length: int) -> WindowPolicy:
    """The same windows under another cap. Raises `ConfigurationError` for one that the policy cannot have."""
    try:
        return replace(policy, max_length=max_length)
    except PolicyError as error:
        raise ConfigurationError(f"max_length = {max_length}: {error}") from None


def max_length_choices(policy: WindowPolicy, longest: int, wanted: Sequence[int] = ()) -> tuple[int, ...]:
    """The wanted ones, or powers of two up to the longest window, and the configured one; ascending."""
    least = max(policy.min_length, policy.carry + 1, policy.shape.size if isinstance(policy.shape, Count) else 1)
    powers = [choice for choice in powers_of_two(longest) if choice >= least]
    return tuple(sorted({*(wanted or powers), policy.max_length}))


def powers_of_two(longest: int) -> list[int]:
    """Powers of two from `SMALLEST_BUCKET` until one takes the longest window."""
    lengths = [SMALLEST_BUCKET]
    while lengths[-1] < longest:
        lengths.append(2 * lengths[-1])
    return lengths


def distribution_of(windows: Iterable[Window]) -> Distribution:
    """The lengths of windows."""
    return Distribution(Counter(window.length for window in windows))


class CapTally:
    """Counts what one max_length does to the windows."""

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._lengths: Counter[int] = Counter()
        self._split = self._truncated = self._dropped = self._too_short = 0

    def add(self, window: Window) -> None:
        """Takes a window made with that max_length."""
        self._lengths[window.length] += 1
        if window.final:
            self._split += window.reason is CloseReason.MAX_LENGTH
            self._truncated += window.dropped > 0
            self._dropped += window.dropped
        self._too_short += window.too_short

    def cost(self) -> CapCost:
        """What came of it."""
        return CapCost(self._max_length, Distribution(dict(self._lengths)), self._split, self._truncated, self._dropped, self._too_short)


def bucket_costs(lengths: Distribution, max_length: int, wanted: Sequence[int] = ()) -> list[BucketCost]:
    """Padding all to max_length, to powers of two, to the wanted lengths, and as the scorer cuts batches.

    All windows at once: a live scorer has fewer at a time, and pads more. Raises `ConfigurationError` for wanted lengths
    that do not take every window.
    """
    if wanted and max(wanted) < lengths.longest:
        raise ConfigurationError(f"buckets {', '.join(map(str, wanted))}: none takes the longest window, of {lengths.longest} steps")
    choices = [("max_length", (max_length,)), ("powers of two", tuple(powers_of_two(lengths.longest)))]
    if wanted:
        choices.append(("as given", tuple(sorted(set(wanted)))))
    return [_bucket_cost(name, lengths, choice) for name, choice in (*choices, ("scorer", ()))]


def _bucket_cost(name: str, lengths: Distribution, allowed: tuple[int, ...]) -> BucketCost:
    ordered = np.repeat(np.array(sorted(lengths.counts), np.int64), [lengths.counts[length] for length in sorted(lengths.counts)])
    if allowed:
        # To the least allowed length that takes it: batches of one allowed length each.
        padded_to = np.array(allowed, np.int64)[np.searchsorted(allowed, ordered)]
        used = tuple(np.unique(padded_to).tolist())
        return BucketCost(name, used, len(used), int((padded_to - ordered).sum()), lengths.steps)
    cuts = cut_batches(ordered, BatchPolicy(max_cells=_NO_LIMIT))
    computed = sum((cut.end - cut.begin) * cut.padded_to for cut in cuts)
    return BucketCost(name, tuple(cut.padded_to for cut in cuts), len(cuts), computed - lengths.steps, lengths.steps)

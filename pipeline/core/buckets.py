"""Distributions as counts: a histogram is one more set of running totals, so it is added up, kept and shown like any count."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

LARGEST = "inf"


class Buckets:
    """`name` is also the count of the sum; `NAME_le_BOUND` counts the values above the bound before and up to this one.

    >>> counts = Counter()
    >>> Buckets("delay_ms", (10, 100)).add(counts, 25)
    >>> dict(counts)
    {'delay_ms_le_100': 1, 'delay_ms': 25}
    """

    def __init__(self, name: str, bounds: tuple[int, ...]) -> None:
        self.name = name
        self.bounds = bounds
        self.counts = tuple(f"{name}_le_{bound}" for bound in (*bounds, LARGEST))

    def add(self, counts: Counter[str], value: int) -> None:
        """Counts one value."""
        counts[self.counts[bisect_left(self.bounds, value)]] += 1
        counts[self.name] += value


DELAY_MS = Buckets("delay_ms", (25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000))
BATCH_WINDOWS = Buckets("batch_windows", (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000))
CHECKPOINT_MS = Buckets("checkpoint_ms", (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000))
ACKNOWLEDGED_MS = Buckets("acknowledged_ms", (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000))

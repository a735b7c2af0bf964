"""How long to wait before the next try, and how often to be refused."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Backoff:
    """Doubles with each failure from `first_s` up to `longest_s`; waits are between half of that and all of it, so that many
    who failed together do not come again together.

    An alert whose content the receiver refuses is given up after `most_refusals`. Tries, not time: a receiver that is away in
    between, for however long, has refused nothing.
    """

    first_s: float
    longest_s: float
    most_refusals: int = 10

    def wait_s(self, failures: int, random: Random) -> float:
        """The wait after so many failures in a row, from 1."""
        most = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 60))
        return most * random.uniform(0.5, 1.0)

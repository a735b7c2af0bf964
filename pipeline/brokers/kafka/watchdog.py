"""Tells a consumer that waits from one that is stuck. Pure: it is told the time and what a poll brought.

The library can lose a join without a word: a poll that expires while the group's leader joins again after a change of
metadata leaves the member rebalancing for ever, without heartbeats, and every later poll brings nothing. Only the time
inside polls counts, so a stage that computes for long between two polls is not taken for a stuck member.
"""

from __future__ import annotations

from collections.abc import Mapping

PATIENCE_S = 10.0
SETTLING_S = 3.0  # the second join, where most get lost, comes with the first metadata after the first join


class Watchdog:
    """One per consumer; tell it of each poll's beginning and end."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._began_s = 0.0
        self._unstable_s = 0.0
        self._silent_s = 0.0
        self._stable_since_s: float | None = None
        self._behind: Mapping[int, int] = {}

    def poll_began(self, now_s: float) -> None:
        """A poll begins; `now_s` is on a clock that never goes back."""
        self._began_s = now_s

    def poll_ended(self, now_s: float, stable: bool, heard: bool) -> None:
        """It ended: whether the member is `stable` in its group, and whether the poll brought anything."""
        polled_s = now_s - self._began_s
        self._unstable_s = 0.0 if stable else self._unstable_s + polled_s
        silent = stable and not heard  # nothing can come while the group is being shared out anew
        self._silent_s = self._silent_s + polled_s if silent else 0.0
        if not silent:
            self._behind = {}
        if not stable:
            self._stable_since_s = None
        elif self._stable_since_s is None:
            self._stable_since_s = now_s

    def settled(self, now_s: float) -> bool:
        """Whether the member has been stable for so long that no further join is expected."""
        return self._stable_since_s is not None and now_s - self._stable_since_s >= SETTLING_S

    @property
    def stuck_in_join(self) -> bool:
        """Whether the member has polled for its whole patience without getting stable."""
        return self._unstable_s >= self._patience_s

    def forgive(self) -> None:
        """The broker says that the group waits for another member: all the patience again."""
        self._unstable_s = 0.0

    @property
    def wants_ends(self) -> bool:
        """Whether it has been silent for so long that positions should be compared with the ends of the log."""
        return self._silent_s >= self._patience_s / 2

    def compare(self, positions: Mapping[int, int], ends: Mapping[int, int]) -> tuple[int, ...]:
        """The partitions that do not move: behind their ends, and nothing came since they were found so before."""
        behind = {partition: offset for partition, offset in positions.items() if offset < ends.get(partition, offset)}
        unmoved = tuple(sorted(partition for partition, offset in behind.items() if self._behind.get(partition) == offset))
        self._behind = behind
        self._silent_s = 0.0
        return unmoved

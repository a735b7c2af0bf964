"""The caps of a time window: at most `max_length` steps, at most `max_duration` from first to last; split or truncate.

A step at exactly first + max_duration belongs.
"""

from __future__ import annotations

from pipeline.core.episode import WindowState
from pipeline.core.policy import Keep, Overflow, WindowPolicy
from pipeline.core.step import Step


class Caps:
    """Says when a window must be split, and what a truncating one leaves out."""

    def __init__(self, policy: WindowPolicy) -> None:
        self._max_length = policy.max_length
        self._max_duration_ms = policy.max_duration_ms
        self.splits = policy.overflow is Overflow.SPLIT
        self._keep_first = policy.overflow is Overflow.TRUNCATE and policy.keep is Keep.FIRST
        self._carry = policy.carry

    def splits_before(self, window: WindowState, time: int) -> bool:
        """A step at `time` is too far from the window's first step to be in it, and the rest must go on without it."""
        return self.splits and self._max_duration_ms is not None and bool(window.steps) and self._too_long(window, time)

    def splits_after(self, window: WindowState) -> bool:
        """The window has all the steps it may have."""
        return self.splits and len(window.steps) >= self._max_length

    def carry(self, window: WindowState) -> list[Step]:
        """The steps at its end that the next window begins with."""
        return window.steps[-self._carry :] if self._carry else []

    def fit(self, window: WindowState, time: int) -> None:
        """Leaves out carried steps that are too far from a step at `time`."""
        while window.carried and self._too_long(window, time):
            del window.steps[0]
            window.carried -= 1
            window.taken -= 1
            window.position += 1

    def append(self, window: WindowState, step: Step) -> bool:
        """Appends the step; False where a truncating window drops it."""
        window.latest = step.time
        if self._keep_first and window.steps and not self.has_room(window, step.time):
            window.dropped += 1
            return False
        window.steps.append(step)
        window.taken += 1
        return True

    def drop_oldest(self, window: WindowState) -> int:
        """Drops the oldest steps of a truncating window until it is within the caps; returns how many."""
        excess = max(0, len(window.steps) - self._max_length)
        if self._max_duration_ms is not None:
            earliest = window.steps[-1].time - self._max_duration_ms
            while window.steps[excess].time < earliest:
                excess += 1
        if excess:
            del window.steps[:excess]
            window.position += excess
            window.dropped += excess
        return excess

    def has_room(self, window: WindowState, time: int) -> bool:
        """Another step at `time`, wherever it falls, leaves the window within both caps."""
        if len(window.steps) >= self._max_length:
            return False
        if self._max_duration_ms is None or not window.steps:
            return True
        return max(time, window.steps[-1].time) - min(time, window.steps[0].time) <= self._max_duration_ms

    def _too_long(self, window: WindowState, time: int) -> bool:
        return self._max_duration_ms is not None and time > window.steps[0].time + self._max_duration_ms

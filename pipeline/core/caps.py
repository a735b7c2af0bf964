"""The caps of a time window: at most `max_length` steps, at most `max_duration` from first to last; split or truncate."""

from __future__ import annotations

from pipeline.core.episode import OpenWindow
from pipeline.core.policy import Keep, Overflow, WindowPolicy
from pipeline.core.step import Step


class Caps:
    """Puts a step into a window within the caps. A step at exactly first + max_duration belongs."""

    def __init__(self, policy: WindowPolicy) -> None:
        self._max_length = policy.max_length
        self._max_duration_ms = policy.max_duration_ms
        self._split = policy.overflow is Overflow.SPLIT
        self._keep_first = policy.keep is Keep.FIRST

    def splits_before(self, window: OpenWindow, time: int) -> bool:
        """The window must close before a step at `time` is taken: it is too far from the window's first step."""
        return self._split and bool(window.steps) and self._too_long(window, time)

    def splits_after(self, window: OpenWindow) -> bool:
        """The window must close now: it has all the steps it may have."""
        return self._split and len(window.steps) >= self._max_length

    def append(self, window: OpenWindow, step: Step, number: int) -> int:
        """Appends the step, the `number`-th of its episode; returns how many steps were dropped for it."""
        window.latest = step.time
        steps = window.steps
        if not steps:
            window.position = number
        elif self._keep_first and not self._split and (len(steps) >= self._max_length or self._too_long(window, step.time)):
            window.dropped += 1
            return 1
        steps.append(step)
        return 0 if self._split else self._drop_oldest(window)

    def _drop_oldest(self, window: OpenWindow) -> int:
        excess = max(0, len(window.steps) - self._max_length)
        if self._max_duration_ms is not None:
            earliest = window.latest - self._max_duration_ms
            while window.steps[excess].time < earliest:
                excess += 1
        if excess:
            del window.steps[:excess]
            window.position += excess
            window.dropped += excess
        return excess

    def _too_long(self, window: OpenWindow, time: int) -> bool:
        return self._max_duration_ms is not None and time > window.steps[0].time + self._max_duration_ms

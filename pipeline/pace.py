"""When the next checkpoint is due."""

from __future__ import annotations

from pipeline.clock import Clock

PAUSE_PER_CHECKPOINT = 19  # in durations of the last one


class Pace:
    """When the next checkpoint is due: after the interval, but never so soon that they take more than a twentieth of the time."""

    def __init__(self, interval_s: float, clock: Clock) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._began_s = 0.0
        self._due_s = clock.monotonic_s() + interval_s

    def is_due(self) -> bool:
        return self._clock.monotonic_s() >= self._due_s

    def begin(self) -> None:
        self._began_s = self._clock.monotonic_s()

    def end(self) -> float:
        """Seconds since `begin`."""
        now_s = self._clock.monotonic_s()
        taken_s = now_s - self._began_s
        self._due_s = now_s + max(self._interval_s, PAUSE_PER_CHECKPOINT * taken_s)
        return taken_s

"""Waiting, told from outside: a clock and a stop signal, so that a producer can be driven by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.clock import Clock
from pipeline.records import Reading

LONGEST_WAIT_S = 60.0  # a signal's time-out is bounded by the platform; a year is not


class Stop(Protocol):
    """Ends a producer; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float) -> bool:
        """Waits `timeout` seconds, or less when told to stop; returns whether to stop."""
        ...


@dataclass(frozen=True)
class Pacer:
    """How a producer waits: by which clock, and until what ends it. `ask` is asked before each reading whether to go on."""

    clock: Clock
    stop: Stop
    ask: Callable[[Reading], bool] | None = None

    def stopped_before(self, due_s: float) -> bool:
        """Waits until the monotonic clock shows `due_s`; returns early, and True, when told to stop."""
        while not self.stop.is_set():
            remaining_s = due_s - self.clock.monotonic_s()
            if remaining_s <= 0:
                return False
            self.stop.wait(min(remaining_s, LONGEST_WAIT_S))
        return True

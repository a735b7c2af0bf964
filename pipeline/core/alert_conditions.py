"""What an alert rule looks at, and where its bounds are: one small value for each kind of rule.

A condition measures a prediction or a window as one number, or None where it cannot tell; its limits say which numbers raise
and which clear (`pipeline.core.alert_limits`).

Knows nothing of devices, repeats or episodes (`pipeline.core.alerting`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import ClassVar

from pipeline.core.alert_limits import AtLeast, Bounds, Range
from pipeline.core.alert_memory import Judgement
from pipeline.records import CloseReason, Prediction, Window


class AlertSource(StrEnum):
    """The topic that a rule is about."""

    PREDICTIONS = "predictions"
    WINDOWS = "windows"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Threshold:
    """An output of the model below, above, inside or outside of its limits."""

    output: str
    limits: Bounds | Range
    source: ClassVar[AlertSource] = AlertSource.PREDICTIONS

    def measure(self, seen: Prediction | Window) -> float | None:
        """The output."""
        return seen.outputs.get(self.output) if isinstance(seen, Prediction) else None


@dataclass(frozen=True)
class Rate:
    """The change of an output from one window to the next, in units per `per_ms`, by the ends of the windows."""

    output: str
    limits: Bounds
    per_ms: int = 1_000
    source: ClassVar[AlertSource] = AlertSource.PREDICTIONS

    def measure(self, seen: Prediction | Window) -> float | None:
        """The output, not yet its rate: that takes the window before."""
        return seen.outputs.get(self.output) if isinstance(seen, Prediction) else None


@dataclass(frozen=True)
class Silent:
    """The device was not heard from for `idle_timeout`: 1 for a window that closed as idle, 0 for any other."""

    limits: ClassVar[AtLeast] = AtLeast(1)
    source: ClassVar[AlertSource] = AlertSource.WINDOWS

    def measure(self, seen: Prediction | Window) -> float | None:
        return float(seen.reason is CloseReason.IDLE) if isinstance(seen, Window) else None


@dataclass(frozen=True)
class FewReadings:
    """Steps in a window, or the share of its cells that were observed (of one sensor where it is named)."""

    limits: Bounds
    share: bool = False
    sensor: str | None = None
    source: ClassVar[AlertSource] = AlertSource.WINDOWS

    def measure(self, seen: Prediction | Window) -> float | None:
        """None for a window that a replay or `--drain` cut off: it is no measure of the device."""
        if not isinstance(seen, Window) or not seen.length or seen.reason in (CloseReason.RESET, CloseReason.END):
            return None
        if not self.share:
            return float(seen.length)
        if self.sensor is not None and self.sensor not in seen.sensors:
            return None
        values = _cells(seen) if self.sensor is None else _column(seen, self.sensor)
        return sum([not math.isnan(value) for value in values]) / len(values)


@dataclass(frozen=True)
class Stuck:
    """A sensor that has not changed at the end of a window: for so many observed steps, or for so many seconds."""

    sensor: str
    limits: AtLeast
    seconds: bool = False
    source: ClassVar[AlertSource] = AlertSource.WINDOWS

    def measure(self, seen: Prediction | Window) -> float | None:
        """Steps, or seconds, since the last change; None for a window that shows no change and is too short to tell."""
        if not isinstance(seen, Window) or self.sensor not in seen.sensors:
            return None
        times = struct.unpack(f"<{seen.length}q", seen.times)
        observed = [(time, value) for time, value in zip(times, _column(seen, self.sensor), strict=True) if not math.isnan(value)]
        if not observed:
            return None
        last_time, last = observed[-1]
        same = list(takewhile(lambda step: step[1] == last, reversed(observed)))
        level = (last_time - same[-1][0]) / 1000 if self.seconds else float(len(same))
        return level if len(same) < len(observed) or self.limits.raises(level) else None


Condition = Threshold | Rate | Silent | FewReadings | Stuck


def lookback(condition: Condition) -> int:
    """How many judgements before the first of the last M a condition needs."""
    return 1 if isinstance(condition, Rate) else 0


def level(condition: Condition, judgements: Sequence[Judgement], place: int) -> float | None:
    """What the limits are compared with, of one judgement. None: a rate, and no judgement before whose window ends earlier."""
    judged = judgements[place]
    if not isinstance(condition, Rate):
        return judged.value
    before = judgements[place - 1] if place else None
    if before is None or judged.end <= before.end:
        return None
    return (judged.value - before.value) * condition.per_ms / (judged.end - before.end)


def _cells(window: Window) -> tuple[float, ...]:
    """The values of all steps, row by row, NaN = unobserved. Without numpy, which no alerter loads."""
    return struct.unpack(f"<{window.length * len(window.sensors)}f", window.values)


def _column(window: Window, sensor: str) -> tuple[float, ...]:
    return _cells(window)[window.sensors.index(sensor) :: len(window.sensors)]

"""Which numbers raise an alert and which clear it. Values only; what the numbers measure is known to the conditions.

A bound is crossed strictly, the clearing bound is reached: without hysteresis every number is on one side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.core.policy import PolicyError


@dataclass(frozen=True)
class Bounds:
    """Below or above a bound; a clearing bound that is None is the bound itself. Raises `PolicyError` for contradictions."""

    below: float | None = None
    above: float | None = None
    clear_above: float | None = None
    clear_below: float | None = None

    def __post_init__(self) -> None:
        for key in ("below", "above", "clear_above", "clear_below"):
            value = getattr(self, key)
            require(value is None or math.isfinite(value), key, value, "must be a finite number")
        if self.below is not None:
            require(self.above is None, "above", self.above, "a rule has either below or above")
            require(self.clear_below is None, "clear_below", self.clear_below, "goes with above; a rule with below takes clear_above")
            holds = self.clear_above is None or self.clear_above >= self.below
            require(holds, "clear_above", self.clear_above, f"must be at least below ({self.below})")
        else:
            require(self.above is not None, "below", "none", "a rule needs below or above")
            require(self.clear_above is None, "clear_above", self.clear_above, "goes with below; a rule with above takes clear_below")
            holds = self.clear_below is None or self.above is None or self.clear_below <= self.above
            require(holds, "clear_below", self.clear_below, f"must be at most above ({self.above})")

    def raises(self, value: float) -> bool:
        """Whether the value is beyond the bound."""
        if self.below is not None:
            return value < self.below
        return self.above is not None and value > self.above

    def clears(self, value: float) -> bool:
        """Whether the value has reached the clearing bound."""
        if self.below is not None:
            return value >= (self.below if self.clear_above is None else self.clear_above)
        return self.above is not None and value <= (self.above if self.clear_below is None else self.clear_below)


@dataclass(frozen=True)
class Range:
    """Outside, or inside, of [low, high]; clears when the value is `margin` beyond the bound on the other side."""

    low: float
    high: float
    inside: bool = False
    margin: float = 0.0

    def __post_init__(self) -> None:
        key = "inside" if self.inside else "outside"
        shown = [self.low, self.high]
        require(
            math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high, key, shown, "must be [low, high], low < high"
        )
        require(math.isfinite(self.margin) and self.margin >= 0, "margin", self.margin, "must be a finite number, not negative")
        fits = self.inside or self.low + self.margin <= self.high - self.margin
        require(fits, "margin", self.margin, "must be at most half of high - low: else the alert never clears")

    def raises(self, value: float) -> bool:
        """Whether the value is where it should not be."""
        return self.low < value < self.high if self.inside else not self.low <= value <= self.high

    def clears(self, value: float) -> bool:
        """Whether the value is back, by the margin."""
        if self.inside:
            return value <= self.low - self.margin or value >= self.high + self.margin
        return self.low + self.margin <= value <= self.high - self.margin


@dataclass(frozen=True)
class AtLeast:
    """Raises from a bound on, clears below it."""

    bound: float

    def raises(self, value: float) -> bool:
        return value >= self.bound

    def clears(self, value: float) -> bool:
        return value < self.bound


def require(holds: bool, key: str, value: object, allowed: str) -> None:
    """Raises `PolicyError` unless it holds."""
    if not holds:
        raise PolicyError(key, value, allowed)

"""Alert rules: threshold, hysteresis, N of M, cooldown; and the machine that turns predictions into episodes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AlertRule:
    """Raises when `output` is below or above a bound in `needed` of the last `of` windows; clears beyond the clearing bound."""

    name: str
    output: str
    below: float | None = None
    above: float | None = None
    clear_above: float | None = None
    clear_below: float | None = None
    needed: int = 1
    of: int = 1
    cooldown_ms: int = 0
    early: bool = False

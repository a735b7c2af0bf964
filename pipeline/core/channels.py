"""The channels of a model's inputs: what each is, how many columns it has, how a person writes it. Computes nothing
(`pipeline.core.features`).

All are causal: what a step has in them depends on steps up to it only.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from pipeline.errors import ConfigurationError

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_CHANNEL = re.compile(r"(?P<name>[a-z]+)(?::(?P<argument>[^/]*))?(?:/(?P<scale>[0-9]+(?:\.[0-9]+)?))?")


class DeltaPer(StrEnum):
    """Whose seconds `Delta` counts."""

    STEP = "step"
    SENSOR = "sensor"


class Unit(StrEnum):
    """What `Age` and the spans of `Averages` are counted in."""

    STEPS = "steps"
    SECONDS = "seconds"


class Value(msgspec.Struct, frozen=True, tag="value", tag_field="name"):
    """The scaled and filled values: one column per sensor."""

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return sensors


class Change(msgspec.Struct, frozen=True, tag="change", tag_field="name"):
    """The scaled value less the first one that the window observed of its sensor, filled: one column per sensor.

    It does not tell at which level a device is, so that what was learnt of some devices holds for others.
    """

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return sensors


class Observed(msgspec.Struct, frozen=True, tag="observed", tag_field="name"):
    """1 where the sensor was observed, else 0: one column per sensor."""

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return sensors


class Delta(msgspec.Struct, frozen=True, tag="delta", tag_field="name"):
    """Seconds since the previous step, divided by `scale`: one column; per sensor: since the step before this one that observed it.

    The first step has 0. A sensor not yet observed counts from the window's first step, as in Che et al., "Recurrent
    Neural Networks for Multivariate Time Series with Missing Values", Scientific Reports 8, 2018, equation 2.
    """

    per: DeltaPer = DeltaPer.STEP
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require_scale("delta", self.scale)

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return 1 if self.per is DeltaPer.STEP else sensors


class Age(msgspec.Struct, frozen=True, tag="age", tag_field="name"):
    """The number of the step in its episode, from 1, or the seconds since the episode's first step, divided by `scale`: one column."""

    unit: Unit = Unit.STEPS
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require_scale("age", self.scale)

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return 1


class Averages(msgspec.Struct, frozen=True, tag="ema", tag_field="name"):
    """Exponential moving averages of the scaled values over the window: for each span one column per sensor.

    The mean of the observed values so far, whose weights fall with their age: by w = ((span - 1) / (span + 1)) ^ steps, with no
    gaps the usual average of `span` steps; or by w = exp(-2 x seconds / span), which is the same in the limit of long spans: both
    weigh values that are span / 2 old on average. Weights are divided by their sum, so that a window's first value, which may be
    noise, does not count for all that went before it; on C-MAPSS that was worth 0.6 of 10.9 on engines that were held out.
    Before the first observed value it is what an unobserved value becomes.
    """

    spans: tuple[float, ...]
    unit: Unit = Unit.STEPS

    def __post_init__(self) -> None:
        least = 1 if self.unit is Unit.STEPS else 0.001
        if not self.spans or any(not least <= span < 1e12 for span in self.spans):
            raise ValueError(f"channel ema: spans must be numbers of {self.unit}, at least {least}")

    def width(self, sensors: int) -> int:
        """Number of columns."""
        return sensors * len(self.spans)


Channel = Value | Change | Observed | Delta | Age | Averages
CHANNEL_NAMES = ("value", "change", "observed", "delta", "age", "ema")
CHANNEL_EXAMPLES = "value, change, observed, delta, delta:sensor, delta/60, age, age/200, age:seconds/3600, ema:10,30 or ema:10s,5m"


def parse_channel(text: str) -> Channel:
    """The channel that a person wrote, as in `CHANNEL_EXAMPLES`; raises `ConfigurationError` for anything else.

    >>> parse_channel("ema:10s,5m")
    Averages(spans=(10.0, 300.0), unit=<Unit.SECONDS: 'seconds'>)
    >>> parse_channel("age/200")
    Age(unit=<Unit.STEPS: 'steps'>, scale=200.0)
    """
    match = _CHANNEL.fullmatch(text.strip())
    if match is None or match["name"] not in CHANNEL_NAMES:
        raise ConfigurationError(f"channel {text!r}: must be one such as {CHANNEL_EXAMPLES}")
    try:
        return _channel(match["name"], match["argument"], match["scale"])
    except ValueError as error:
        raise ConfigurationError(f"channel {text!r}: {error}; such are {CHANNEL_EXAMPLES}") from None


def _channel(name: str, argument: str | None, scale: str | None) -> Channel:
    divisor = 1.0 if scale is None else float(scale)
    if name == "delta":
        return Delta(DeltaPer(argument or DeltaPer.STEP), divisor)
    if name == "age":
        return Age(Unit(argument or Unit.STEPS), divisor)
    if scale is not None:
        raise ValueError(f"{name} has no scale")
    if name == "ema":
        return _averages(argument or "")
    if argument is not None:
        raise ValueError(f"{name} has no choice")
    plain: dict[str, Channel] = {"value": Value(), "change": Change(), "observed": Observed()}
    return plain[name]


def _averages(spans: str) -> Averages:
    matches = [_SPAN.fullmatch(span.strip()) for span in spans.split(",")]
    numbers = [float(match[1]) * _SECONDS.get(match[2], 1) for match in matches if match]
    units = {Unit.SECONDS if match[2] else Unit.STEPS for match in matches if match}
    if len(numbers) < len(matches):
        raise ValueError("spans are numbers of steps, or durations with a unit")
    if len(units) > 1:
        raise ValueError("spans are all numbers of steps, or all durations with a unit")
    return Averages(tuple(numbers), units.pop())


def _require_scale(channel: str, scale: float) -> None:
    if not 1e-9 <= scale <= 1e12:
        raise ValueError(f"channel {channel}: scale must be positive")

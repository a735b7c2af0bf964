"""One `[[alerts]]` table, and how it becomes a rule; `[groups]`, the devices that have alerts together."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from pipeline.config.fields import Bool, Duration, Int, Name, Number, Section, key_problem, problem
from pipeline.core.alert_conditions import Condition, FewReadings, Rate, Silent, Stuck, Threshold
from pipeline.core.alert_limits import AtLeast, Bounds, Range
from pipeline.core.alert_rules import CLOCK_REASONS, AlertRule, ClockRule, Group, Rule, Scope
from pipeline.core.policy import PolicyError
from pipeline.records import RejectReason

_N_OF_M = re.compile(r"([0-9]{1,6}) of ([0-9]{1,6})")

PER_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

_LIMITS = frozenset({"below", "above", "clear_above", "clear_below"})
COMMON = frozenset({"name", "kind", "devices", "groups", "at_least", "cooldown"})
KEYS: Mapping[str, frozenset[str]] = {
    "threshold": COMMON | _LIMITS | {"output", "for", "early"},
    "band": COMMON | {"output", "inside", "outside", "margin", "for", "early"},
    "rate": COMMON | _LIMITS | {"output", "per", "for"},
    "silent": COMMON | {"for"},
    "few_readings": COMMON | {"length_below", "observed_below", "sensor", "clear_above", "for"},
    "stuck": COMMON | {"sensor", "steps", "lasting", "for"},
    "clock": COMMON | {"count", "within", "reasons", "clear_after"},
}


def _n_of_m(value: object) -> tuple[int, int]:
    match = _N_OF_M.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise problem('must be "N of M" windows with 1 <= N <= M, such as "3 of 5"')
    return int(match[1]), int(match[2])


def _patterns(value: object) -> object:
    return [value] if isinstance(value, str) else value


NOfM = Annotated[tuple[int, int], BeforeValidator(_n_of_m), PlainSerializer(lambda pair: f"{pair[0]} of {pair[1]}")]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]  # one name or pattern, or a list of them
Value = TypeVar("Value")
Kind = Literal["threshold", "band", "rate", "silent", "few_readings", "stuck", "clock"]


class AlertSettings(Section):
    """When a device, or a group of devices, is in alarm."""

    name: Name = Field(description="The rule's name, in its alerts.")
    kind: Kind = Field(default="threshold", description="What is wrong when it holds.")
    devices: Patterns = Field(default=("*",), description="The devices it is about, by names or patterns such as `pump-*`.")
    groups: tuple[str, ...] = Field(default=(), description="One alert for each of these groups, none for its devices.")
    at_least: Int = Field(default=1, description="Devices of a group for which it must hold.")
    output: str | None = Field(default=None, min_length=1, description="The output of the model that is compared.")
    below: Number | None = Field(default=None, description="Raised below this.")
    above: Number | None = Field(default=None, description="Raised above this.")
    clear_above: Number | None = Field(default=None, description="Cleared from this on upwards; without it where it was raised.")
    clear_below: Number | None = Field(default=None, description="Cleared from this on downwards; without it where it was raised.")
    inside: tuple[Number, Number] | None = Field(default=None, description="Raised between the two: `[low, high]`.")
    outside: tuple[Number, Number] | None = Field(default=None, description="Raised below the first and above the second: `[low, high]`.")
    margin: Number = Field(default=0.0, description="Cleared so far beyond the bound, on the other side.")
    per: Literal["second", "minute", "hour", "day"] = Field(default="second", description="In what time the change is counted.")
    length_below: Number | None = Field(default=None, description="Raised by windows of fewer steps.")
    observed_below: Number | None = Field(default=None, description="Raised by windows with a smaller share of observed values.")
    sensor: str | None = Field(default=None, min_length=1, description="The sensor whose values count.")
    steps: Int | None = Field(default=None, ge=2, description="Raised by so many equal values in a row.")
    lasting_ms: Duration | None = Field(default=None, alias="lasting", description="Raised by equal values for so long.")
    count: Int | None = Field(default=None, description="Raised by so many refused readings.")
    within_ms: Duration | None = Field(default=None, alias="within", description="The time in which they are counted.")
    reasons: tuple[RejectReason, ...] = Field(default=CLOCK_REASONS, description="For what they were refused: `future`, `past`, `late`.")
    clear_after_ms: Duration | None = Field(
        default=None, alias="clear_after", description="Cleared after so long without a refused reading; without it as long as `within`."
    )
    for_: NOfM = Field(
        default=(1, 1), alias="for", description="In how many of the last windows it must hold, such as `3 of 5`; so too to clear."
    )
    cooldown_ms: Duration = Field(default=0, alias="cooldown", description="How long after an alert the next one waits.")
    early: Bool = Field(default=False, description="Also judge windows that `emit_every` shows before they close.")

    def rule(self, groups: Mapping[str, tuple[str, ...]] | None = None) -> Rule:
        """The rule that these keys describe; `groups` are the devices of each group. Raises `PolicyError`."""
        named = tuple(Group(name, (groups or {}).get(name, ())) for name in self.groups)
        scope = Scope(self.devices, named, self.at_least)
        if self.kind == "clock":
            count, within_ms = self._need(self.count, "count"), self._need(self.within_ms, "within")
            return ClockRule(self.name, count, within_ms, self.reasons, self.clear_after_ms, self.cooldown_ms, scope)
        needed, of = self.for_
        return AlertRule(self.name, self._condition(), needed, of, self.cooldown_ms, self.early, scope)

    def foreign_keys(self) -> frozenset[str]:
        """Keys that mean nothing for this kind."""
        return frozenset(field.alias or name for name, field in type(self).model_fields.items()) - KEYS[self.kind]

    def _condition(self) -> Condition:
        makers: Mapping[str, Callable[[], Condition]] = {
            "threshold": lambda: Threshold(self._need(self.output, "output"), self.bounds()),
            "band": lambda: Threshold(self._need(self.output, "output"), self._range()),
            "rate": lambda: Rate(self._need(self.output, "output"), self.bounds(), PER_MS[self.per]),
            "silent": Silent,
            "few_readings": self._few_readings,
            "stuck": self._stuck,
        }
        return makers[self.kind]()

    def bounds(self) -> Bounds:
        """The bounds of a rule that has below or above. Raises `PolicyError` for any other."""
        return Bounds(self.below, self.above, self.clear_above, self.clear_below)

    def _range(self) -> Range:
        self._only_one("outside", "inside")
        low, high = self._need(self.outside or self.inside, "outside", "either outside or inside")
        return Range(low, high, self.inside is not None, self.margin)

    def _few_readings(self) -> FewReadings:
        self._only_one("length_below", "observed_below")
        if self.observed_below is None:
            below = self._need(self.length_below, "length_below", "either length_below or observed_below")
            if self.sensor is not None:
                raise PolicyError("sensor", self.sensor, "goes with observed_below: a window's length is that of all sensors")
            return FewReadings(Bounds(below=below, clear_above=self.clear_above))
        if not 0 < self.observed_below <= 1:
            raise PolicyError("observed_below", self.observed_below, "must be more than 0 and at most 1, a share of the values")
        return FewReadings(Bounds(below=self.observed_below, clear_above=self.clear_above), share=True, sensor=self.sensor)

    def _stuck(self) -> Stuck:
        sensor = self._need(self.sensor, "sensor")
        self._only_one("steps", "lasting_ms")
        if self.lasting_ms is not None:
            return Stuck(sensor, AtLeast(self.lasting_ms / 1000), seconds=True)
        return Stuck(sensor, AtLeast(self._need(self.steps, "steps", "either steps or lasting")))

    def _only_one(self, one: str, other: str) -> None:
        if getattr(self, one) is not None and getattr(self, other) is not None:
            key, another = other.removesuffix("_ms"), one.removesuffix("_ms")
            raise PolicyError(key, getattr(self, other), f"a rule has either {another} or {key}")

    def _need(self, value: Value | None, key: str, what: str | None = None) -> Value:
        if value is None:
            raise PolicyError(key, value, f'a rule of kind "{self.kind}" needs {what or key}')
        return value

    @model_validator(mode="after")
    def _is_a_rule(self) -> Self:
        aliases = {name: field.alias or name for name, field in type(self).model_fields.items()}
        for key in (aliases[name] for name in aliases if name in self.model_fields_set):
            if key not in KEYS[self.kind]:
                raise key_problem(key, f'is no key of kind "{self.kind}", which takes {", ".join(sorted(KEYS[self.kind] - COMMON))}')
        try:
            self.rule()
        except PolicyError as error:
            raise key_problem(error.key, error.allowed) from None
        return self

"""The `[window]` section, and how it becomes a `WindowPolicy`. Which windows come out of it is the core's business."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from pipeline.config.durations import EXAMPLES, parse_duration
from pipeline.config.fields import Bool, Duration, Extent, Int, OptionalDuration, Section, key_problem
from pipeline.core.policy import Count, Hopping, Keep, Overflow, PolicyError, Session, Shape, Tumbling, WindowPolicy


class Kind(StrEnum):
    """How windows are cut."""

    SESSION = "session"
    TUMBLING = "tumbling"
    HOPPING = "hopping"
    COUNT = "count"


OWN_KEYS: Mapping[Kind, frozenset[str]] = {
    Kind.SESSION: frozenset({"gap"}),
    Kind.TUMBLING: frozenset({"size"}),
    Kind.HOPPING: frozenset({"size", "step"}),
    Kind.COUNT: frozenset({"size", "step", "partial_start"}),
}
KIND_KEYS = frozenset().union(*OWN_KEYS.values())


class WindowSettings(Section):
    """What shapes windows, and how the readings topic tells the time."""

    kind: Kind = Field(default=Kind.SESSION, description="How windows are cut: at pauses, at fixed times, or by number of steps.")
    # "10s" where the kind is session and nothing is said
    gap_ms: Duration = Field(default=0, alias="gap", description="Steps that are further apart are in different windows.")
    size: Extent = Field(default=0, description="How long a window is: a time, or for count windows a number of steps.")
    step: Extent = Field(default=0, description="How far apart windows begin: a time that divides `size`, or a number of steps.")
    partial_start: Bool = Field(default=False, description="Also publish windows of an episode's first steps, before it has `size` steps.")
    max_length: Int = Field(default=256, description="Steps of a window, at most.")
    max_duration_ms: OptionalDuration = Field(
        default=None, alias="max_duration", description="Time from the first step of a window to its last, at most."
    )
    overflow: Overflow = Field(default=Overflow.SPLIT, description="At these caps: go on in a new window, or leave steps out.")
    keep: Keep = Field(default=Keep.LAST, description="Which steps a window keeps where `overflow` is `truncate`.")
    carry: Int = Field(default=0, description="After a split, repeat so many last steps at the head of the next window.")
    min_length: Int = Field(default=1, description="Shorter windows are published and not scored.")
    emit_every: Int = Field(default=0, description="Also publish a window each time it has got so many steps more; `0`: only once closed.")
    out_of_orderness_ms: Duration = Field(
        default=2_000, alias="out_of_orderness", description="How far behind its device's latest reading a reading may be, and not be late."
    )
    idle_timeout_ms: Duration = Field(
        default=60_000, alias="idle_timeout", description="After so long without a reading a device's windows close and it is forgotten."
    )
    max_ahead_ms: OptionalDuration = Field(
        default=300_000, alias="max_ahead", description="How far ahead of its arrival a reading may be, and not be rejected."
    )
    max_behind_ms: OptionalDuration = Field(
        default=None, alias="max_behind", description="How far behind its arrival a reading may be, and not be rejected."
    )
    allowed_lateness_ms: Duration = Field(
        default=0, alias="allowed_lateness", description="How late a reading may be and still change a window, closed ones too."
    )
    max_pending: Int = Field(default=10_000, description="Steps of a device that wait for earlier ones, at most.")
    tick_interval_ms: Duration = Field(default=1_000, alias="tick_interval", description="How long a partition is silent before a tick.")
    ticks: Bool = Field(default=True, description="Whether the windower writes ticks, so that a silent fleet's windows close.")
    allow_create_time: Bool = Field(default=False, description="Take a readings topic whose arrivals are the producers' clocks.")

    def policy(self) -> WindowPolicy:
        """The policy that these keys describe; it is valid, or this section could not have been built."""
        return WindowPolicy(
            shape=self._shape(),
            out_of_orderness_ms=self.out_of_orderness_ms,
            idle_timeout_ms=self.idle_timeout_ms,
            max_length=self.max_length,
            overflow=self.overflow,
            keep=self.keep,
            max_duration_ms=self.max_duration_ms,
            carry=self.carry,
            min_length=self.min_length,
            emit_every=self.emit_every,
            allowed_lateness_ms=self.allowed_lateness_ms,
            max_ahead_ms=self.max_ahead_ms,
            max_behind_ms=self.max_behind_ms,
            max_pending=self.max_pending,
        )

    def foreign_keys(self) -> frozenset[str]:
        """Keys of other kinds of window: they are neutral and have no effect."""
        return KIND_KEYS - OWN_KEYS[self.kind]

    def _shape(self) -> Shape:
        match self.kind:
            case Kind.SESSION:
                return Session(self.gap_ms)
            case Kind.TUMBLING:
                return Tumbling(self._duration("size"))
            case Kind.COUNT:
                return Count(self._steps("size"), self._steps("step"), self.partial_start)
            case Kind.HOPPING:
                return Hopping(self._duration("size"), self._duration("step"))

    def _duration(self, key: str) -> int:
        value = getattr(self, key)
        if isinstance(value, int) and value != 0:
            raise PolicyError(key, value, f"must be a duration with a unit for kind {self.kind}, such as {EXAMPLES}")
        return 0 if isinstance(value, int) else parse_duration(value)

    def _steps(self, key: str) -> int:
        value = getattr(self, key)
        if isinstance(value, int):
            return value
        raise PolicyError(key, value, "must be a number of steps, without a unit, for kind count")

    @model_validator(mode="before")
    @classmethod
    def _session_has_a_gap(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind", "session") == "session" and "gap" not in given:
            return {**given, "gap": "10s"}
        return given

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for key in sorted(self.foreign_keys()):
            value = getattr(self, "gap_ms" if key == "gap" else key)
            if value not in (0, "0s", False):
                kinds = " or ".join(kind for kind in Kind if key in OWN_KEYS[kind])
                raise key_problem(key, f"belongs to kind {kinds}; the kind is {self.kind}: leave it out")
        if self.tick_interval_ms < 1:
            raise key_problem("tick_interval", "must be at least 1 ms; ticks = false turns ticks off")
        try:
            self.policy()
        except PolicyError as error:
            raise key_problem(error.key, error.allowed) from None
        return self

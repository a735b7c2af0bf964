"""The window policy: everything that shapes windows, validated, immutable. It builds nothing and knows no configuration file.

A policy is built once at start and shared by all devices. `spec_id` names it: windows with equal spec ids were made by
the same rules over the same sensors. All durations are milliseconds; `None` is "no bound".
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import ClassVar

import msgspec


class Overflow(StrEnum):
    """What a window at its cap does: close and go on in a new one, or leave steps out."""

    SPLIT = "split"
    TRUNCATE = "truncate"


class Keep(StrEnum):
    """Which steps a truncating window keeps."""

    FIRST = "first"
    LAST = "last"


class PolicyError(ValueError):
    """A policy that contradicts itself. `key` is the configuration key to change."""

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key} = {value}: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed


@dataclass(frozen=True)
class Session:
    """Steps no further apart than `gap_ms` belong together; equality belongs."""

    gap_ms: int
    kind: ClassVar[str] = "session"


@dataclass(frozen=True)
class Tumbling:
    """[start, start + size_ms), aligned to the epoch."""

    size_ms: int
    kind: ClassVar[str] = "tumbling"


@dataclass(frozen=True)
class Hopping:
    """[start, start + size_ms) for every start that is a multiple of step_ms; each step is in size / step windows."""

    size_ms: int
    step_ms: int
    kind: ClassVar[str] = "hopping"


@dataclass(frozen=True)
class Count:
    """The last `size` steps, every `step` steps of an episode; with `partial_start` also before there are `size`."""

    size: int
    step: int
    partial_start: bool = False
    kind: ClassVar[str] = "count"


Shape = Session | Tumbling | Hopping | Count


@dataclass(frozen=True)
class WindowPolicy:
    """How readings become windows. Raises `PolicyError` for values that contradict each other."""

    shape: Shape
    out_of_orderness_ms: int
    idle_timeout_ms: int
    max_length: int
    overflow: Overflow
    keep: Keep
    max_duration_ms: int | None = None
    carry: int = 0
    min_length: int = 1
    emit_every: int = 0
    allowed_lateness_ms: int = 0
    max_ahead_ms: int | None = 300_000
    max_behind_ms: int | None = None
    max_pending: int = 10_000

    def __post_init__(self) -> None:
        for key in ("max_length", "min_length", "idle_timeout_ms", "max_pending"):
            self._require(getattr(self, key) >= 1, key, "must be at least 1")
        for key in (
            "out_of_orderness_ms",
            "max_duration_ms",
            "max_ahead_ms",
            "max_behind_ms",
            "carry",
            "emit_every",
            "allowed_lateness_ms",
        ):
            self._require((getattr(self, key) or 0) >= 0, key, "must not be negative")
        self._require(self.min_length <= self.max_length, "min_length", f"must be at most max_length ({self.max_length})")
        self._check_shape()
        self._check_carry()

    def _check_shape(self) -> None:
        match self.shape:
            case Session(gap_ms):
                self._require_shape(gap_ms >= 1, "gap", "must be at least 1 ms")
                least = gap_ms + self.out_of_orderness_ms
                self._require(self.idle_timeout_ms >= least, "idle_timeout_ms", f"must be at least gap + out_of_orderness ({least} ms)")
            case Tumbling(size_ms):
                self._require_shape(size_ms >= 1, "size", "must be at least 1 ms")
            case Hopping(size_ms, step_ms):
                self._require_shape(size_ms >= 1, "size", "must be at least 1 ms")
                self._require_shape(step_ms >= 1 and size_ms % step_ms == 0, "step", f"must divide size ({size_ms} ms)")
            case Count(size, step):
                self._require_shape(1 <= size <= self.max_length, "size", f"must be from 1 to max_length ({self.max_length})")
                self._require_shape(1 <= step <= size, "step", f"must be from 1 to size ({size})")
                for key in ("max_duration_ms", "carry", "emit_every", "allowed_lateness_ms"):
                    self._require(not getattr(self, key), key, "is not for count windows: leave it out")

    def _check_carry(self) -> None:
        if self.carry:
            self._require(self.overflow is Overflow.SPLIT, "carry", 'is for overflow = "split": leave it out')
            self._require(self.carry < self.max_length, "carry", f"must be less than max_length ({self.max_length})")
            self._require(self.allowed_lateness_ms == 0, "allowed_lateness_ms", "goes not together with carry: leave one of them out")

    def _require(self, holds: bool, field: str, allowed: str) -> None:
        if not holds:
            raise PolicyError(field.removesuffix("_ms"), getattr(self, field), allowed)

    def _require_shape(self, holds: bool, key: str, allowed: str) -> None:
        if not holds:
            value = getattr(self.shape, key, None)
            raise PolicyError(key, getattr(self.shape, f"{key}_ms", value), allowed)

    @property
    def scored_from(self) -> int:
        """Windows shorter than this are `too_short`: published, not scored."""
        if isinstance(self.shape, Count) and not self.shape.partial_start:
            return max(self.min_length, self.shape.size)
        return self.min_length

    @property
    def open_windows(self) -> int:
        """Windows that take steps of one device at once, at most."""
        return self.shape.size_ms // self.shape.step_ms if isinstance(self.shape, Hopping) else 1

    def spec(self, sensors: tuple[str, ...]) -> dict[str, object]:
        """Every key that shapes windows, and the sensors in order, as plain values in a fixed order."""
        caps_and_clocks = {key: value for key, value in asdict(self).items() if key != "shape"}
        return {"kind": self.shape.kind, **asdict(self.shape), **caps_and_clocks, "sensors": list(sensors)}

    def spec_id(self, sensors: tuple[str, ...]) -> str:
        """A short name of `spec`, equal for equal specs."""
        return hashlib.blake2b(msgspec.json.encode(self.spec(sensors)), digest_size=8).hexdigest()

"""Alert rules: a condition, how long it must hold, and whose alert it is, a device's or a group's. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pipeline.core.alert_conditions import AlertSource, Condition
from pipeline.core.alert_limits import require
from pipeline.records import RejectReason

CLOCK_REASONS = (RejectReason.FUTURE, RejectReason.PAST, RejectReason.LATE)


@dataclass(frozen=True)
class Group:
    """Devices by their names or by patterns of names, such as `pump-*`."""

    name: str
    devices: tuple[str, ...]

    def has(self, device: str) -> bool:
        """Whether the device belongs to it."""
        return any(fnmatchcase(device, pattern) for pattern in self.devices)


@dataclass(frozen=True)
class Scope:
    """The devices of a rule; with groups, each group has an alert of its own while `at_least` of its devices hold."""

    devices: tuple[str, ...] = ("*",)
    groups: tuple[Group, ...] = ()
    at_least: int = 1

    def __post_init__(self) -> None:
        require(bool(self.devices), "devices", "[]", "must have at least one name or pattern")
        require(self.at_least >= 1, "at_least", self.at_least, "must be at least 1")
        require(bool(self.groups) or self.at_least == 1, "at_least", self.at_least, "counts the devices of groups: name them in groups")

    def has(self, device: str) -> bool:
        """Whether the rule is about this device."""
        if self.devices == ("*",) and not self.groups:
            return True
        named = any(fnmatchcase(device, pattern) for pattern in self.devices)
        return named and (not self.groups or any(group.has(device) for group in self.groups))


EVERY_DEVICE = Scope()


@dataclass(frozen=True)
class AlertRule:
    """Raises when `condition` holds in `needed` of the last `of` windows, and clears by the same count.

    Raises `PolicyError` for values that contradict each other.
    """

    name: str
    condition: Condition
    needed: int = 1
    of: int = 1
    cooldown_ms: int = 0
    early: bool = False
    scope: Scope = EVERY_DEVICE

    def __post_init__(self) -> None:
        require(bool(self.name), "name", '""', "must not be empty")
        output = getattr(self.condition, "output", "none")
        require(bool(output), "output", '""', "must not be empty")
        require(1 <= self.needed <= self.of, "for", f'"{self.needed} of {self.of}"', 'must be "N of M" with 1 <= N <= M')
        require(self.cooldown_ms >= 0, "cooldown", self.cooldown_ms, "must not be negative")

    @property
    def source(self) -> AlertSource:
        """The topic that it is about."""
        return self.condition.source


@dataclass(frozen=True)
class ClockRule:
    """Raises when `count` readings of a device were refused for their time within `within_ms`.

    Clears when none was refused for `clear_after_ms` (None: `within_ms`). Raises `PolicyError` for values that contradict
    each other.
    """

    name: str
    count: int
    within_ms: int
    reasons: tuple[RejectReason, ...] = CLOCK_REASONS
    clear_after_ms: int | None = None
    cooldown_ms: int = 0
    scope: Scope = EVERY_DEVICE

    def __post_init__(self) -> None:
        require(bool(self.name), "name", '""', "must not be empty")
        require(1 <= self.count <= 10_000, "count", self.count, "must be from 1 to 10000")
        require(self.within_ms > 0, "within", self.within_ms, "must be more than 0")
        right = bool(self.reasons) and set(self.reasons) <= set(CLOCK_REASONS)
        require(right, "reasons", list(self.reasons), f"must be some of {', '.join(CLOCK_REASONS)}")
        require(self.clear_after_ms is None or self.clear_after_ms > 0, "clear_after", self.clear_after_ms, "must be more than 0")
        require(self.cooldown_ms >= 0, "cooldown", self.cooldown_ms, "must not be negative")

    @property
    def source(self) -> AlertSource:
        """The topic that it is about."""
        return AlertSource.REJECTED

    @property
    def cleared_after_ms(self) -> int:
        """How long no reading must have been refused."""
        return self.within_ms if self.clear_after_ms is None else self.clear_after_ms


Rule = AlertRule | ClockRule


def require_different_names(rules: tuple[Rule, ...]) -> None:
    """Raises `PolicyError` where two rules have one name."""
    names: set[str] = set()
    for rule in rules:
        require(rule.name not in names, "name", rule.name, "is the name of another rule")
        names.add(rule.name)

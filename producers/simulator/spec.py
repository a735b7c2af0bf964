"""What a simulated fleet is like: immutable, validated, with units in the names. Knows nothing of how it is simulated."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.errors import ConfigurationError

SENSORS = ("temperature", "vibration", "current")
OUTPUTS = ("wear",)

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

MAX_DELAY_PERIODS = 3  # a reading that is overtaken arrives at most so many periods late
MAX_LATENCY_MS = 500  # of any other reading, and from a reading to its duplicate


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigurationError(f"{name} = {value}: {allowed}")


@dataclass(frozen=True)
class Faults:
    """What goes wrong between a machine and the log. Rates are per reading, shares are of the fleet's devices.

    The defaults are a fleet with all of it; `Faults.none()` has none.
    """

    gap_rate: float = 0.01  # readings before which a working machine is silent for gap_ms more
    gap_ms: int = 6 * SECOND_MS
    burst_rate: float = 0.01  # readings that begin a burst: they wait, and all of it arrives at once, in order
    burst_readings: int = 5
    disorder_rate: float = 0.03  # readings that the next one overtakes; at most MAX_DELAY_PERIODS late
    duplicate_rate: float = 0.02  # readings that are sent twice
    bad_clock_share: float = 0.1  # devices whose clock is wrong by clock_error_ms for a while, ahead or behind in turn
    clock_error_ms: int = 24 * HOUR_MS
    dying_share: float = 0.1  # devices that fall silent for ever

    def __post_init__(self) -> None:
        for name in ("gap_rate", "burst_rate", "disorder_rate", "duplicate_rate", "bad_clock_share", "dying_share"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "must be from 0 to 1")
        for name in ("gap_ms", "clock_error_ms"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        _require(self.burst_readings >= 2, "burst_readings", self.burst_readings, "must be at least 2")

    @classmethod
    def none(cls) -> Faults:
        """Everything arrives once, in order, by the right clock."""
        return cls(gap_rate=0, burst_rate=0, disorder_rate=0, duplicate_rate=0, bad_clock_share=0, dying_share=0)


@dataclass(frozen=True)
class FleetSpec:
    """A fleet. Equal specs give equal readings; raises `ConfigurationError` for values that make no fleet.

    Machines work in sessions with rests between them. Within a session readings are at most
    `longest_silence_ms` apart, between sessions at least `rest_ms[0]`: a session window's gap belongs between the two.
    """

    devices: int = 24
    seed: int = 1
    start_ms: int = EPOCH_MS
    duration_ms: int | None = 4 * HOUR_MS  # None: for ever
    period_ms: int = 2 * SECOND_MS  # mean time from reading to reading of a working machine
    jitter: float = 0.2  # by which share of the period that time varies, up or down
    observed: float = 0.7  # probability that a reading carries a given sensor; it always carries one
    session_readings: tuple[int, int] = (10, 80)  # least and most, as all pairs here
    rest_ms: tuple[int, int] = (45 * SECOND_MS, 150 * SECOND_MS)
    life_ms: tuple[int, int] = (HOUR_MS, 8 * HOUR_MS)  # working time from new to worn out
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        _require(self.devices >= 1, "devices", self.devices, "must be at least 1")
        _require(self.start_ms >= 0, "start_ms", self.start_ms, "must not be negative")
        _require(self.duration_ms is None or self.duration_ms >= 1, "duration_ms", self.duration_ms, "must be at least 1, or none")
        _require(self.period_ms >= 1, "period_ms", self.period_ms, "must be at least 1")
        _require(0 <= self.jitter < 1, "jitter", self.jitter, "must be from 0 to less than 1")
        _require(0 <= self.observed <= 1, "observed", self.observed, "must be from 0 to 1")
        for name in ("session_readings", "rest_ms", "life_ms"):
            least, most = getattr(self, name)
            _require(1 <= least <= most, name, (least, most), "must be two numbers of at least 1, the second not the smaller one")
        needed = max(self.longest_silence_ms, MAX_DELAY_PERIODS * self.period_ms + 2 * MAX_LATENCY_MS)
        _require(self.rest_ms[0] > needed, "rest_ms", self.rest_ms, f"must be more than {needed} ms, else no rest can be told from work")

    @property
    def longest_silence_ms(self) -> int:
        """The longest time between two readings of one session, by event time."""
        gap_ms = self.faults.gap_ms if self.faults.gap_rate else 0
        return round(self.period_ms * (1 + self.jitter)) + gap_ms

    @property
    def horizon_ms(self) -> int:
        """The time within which faults that strike once do so."""
        return self.duration_ms or 2 * HOUR_MS

    def device(self, index: int) -> str:
        """The id of a device, from index 0."""
        return f"machine-{index + 1:0{max(2, len(str(self.devices)))}d}"

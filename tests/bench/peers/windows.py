"""Readings as they are published, the windows that they should become, and how those that came compare with them. Pure.

Nothing here knows a broker or a peer: the cases and the driver both build on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise


class Role(Enum):
    """What a record is in its case."""

    GOOD = "in a window"
    LATE = "earlier than the grace allows"
    FUTURE = "its clock is hours ahead"
    CLOSING = "long after the last good one, so that whoever waits for a further reading closes his windows"
    POISON = "no reading at all"


@dataclass(frozen=True)
class Sent:
    """A record to publish, `at_s` after the case begins; event times in ms. `body`: instead of a reading."""

    at_s: float
    partition: int
    device: str
    time_ms: int
    role: Role = Role.GOOD
    body: bytes | None = None


@dataclass(frozen=True)
class Window:
    """A device's readings by their event times in ms, in the order in which the window has them."""

    device: str
    times: tuple[int, ...]

    def holds_together(self, gap_ms: int) -> bool:
        """No two neighbours are further apart than the gap."""
        return all(later - earlier <= gap_ms for earlier, later in pairwise(sorted(self.times)))


@dataclass(frozen=True)
class Judgement:
    """Numbers of windows. `wrong`: different ones that nobody expected; `repeats`: copies beyond the first of a right one."""

    expected: int
    right: int
    wrong: int
    repeats: int

    def __str__(self) -> str:
        missing = self.expected - self.right
        if not (missing or self.wrong):
            return f"right, {self.repeats} repeats" if self.repeats else "right"
        parts = [f"{self.right} of {self.expected} right"]
        parts += [f"{self.wrong} wrong"] if self.wrong else []
        parts += [f"{self.repeats} repeats"] if self.repeats else []
        return ", ".join(parts)


def sessions(sent: Iterable[Sent], gap_ms: int) -> list[Window]:
    """The windows that the good records should become: a record at exactly the gap belongs."""
    times_of: defaultdict[str, set[int]] = defaultdict(set)
    for record in sent:
        if record.role is Role.GOOD:
            times_of[record.device].add(record.time_ms)
    return [Window(device, times) for device, all_times in times_of.items() for times in _cut(sorted(all_times), gap_ms)]


def _cut(times: Sequence[int], gap_ms: int) -> Iterable[tuple[int, ...]]:
    begin = 0
    for place, (earlier, later) in enumerate(pairwise(times), 1):
        if later - earlier > gap_ms:
            yield tuple(times[begin:place])
            begin = place
    yield tuple(times[begin:])


def judge(expected: Collection[Window], came: Sequence[Window]) -> Judgement:
    """Compares; a window counts as right only with exactly its readings in their order."""
    copies = Counter(came)
    right = [window for window in set(expected) if window in copies]
    wrong = copies.keys() - set(expected)
    return Judgement(len(set(expected)), len(right), len(wrong), sum(copies[window] - 1 for window in right))


def of_good_readings(sent: Iterable[Sent], came: Iterable[Window]) -> list[Window]:
    """Without the windows of devices that are not in the case and those of closing and future readings alone."""
    roles = {(record.device, record.time_ms): record.role for record in sent}
    devices = {record.device for record in sent}
    aside = {Role.CLOSING, Role.FUTURE}
    return [
        window
        for window in came
        if window.device in devices and not all(roles.get((window.device, time)) in aside for time in window.times)
    ]


def placed(readings: Iterable[Sent], came: Iterable[Window], gap_ms: int) -> int:
    """How many of the readings are in a window that is one session."""
    found = {(window.device, time) for window in came if window.holds_together(gap_ms) for time in window.times}
    return sum((record.device, record.time_ms) in found for record in readings)


@dataclass(frozen=True)
class Came:
    """A window that was published, `at_s` after the case began."""

    window: Window
    at_s: float


@dataclass(frozen=True)
class Seen:
    """What came of a case. `again`: the windows that a further process found on the same log, if the case asks for it."""

    came: Sequence[Came]
    late: int = 0  # records on the topic for what is in no window
    exits: int = 0  # how often the process ended by itself
    cpu_s: float = 0.0  # of the last process
    again: Sequence[Window] = ()

    @property
    def windows(self) -> list[Window]:
        return [came.window for came in self.came]

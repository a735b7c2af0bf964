"""Scenarios of failure for the alert stages about windows, clocks and groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.core.alert_conditions import FewReadings, Silent, Stuck
from pipeline.core.alert_limits import AtLeast, Bounds
from pipeline.core.alert_rules import AlertRule, ClockRule, Group, Scope
from pipeline.records import Alert, AlertState, CloseReason, Member, Rejection, RejectReason, Source
from pipeline.stages.alert import AlertStage, AlertTopics, clock_alerts, group_alerts, window_alerts
from pipeline.wire.alerts import encode_member
from pipeline.wire.headers import arrival_header
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import encode_window
from tests.support import streams
from tests.support.failure_model import Flow
from tests.support.scenarios import FAR_MS, TICK_MS
from tests.support.windows import make_window

TOPICS = AlertTopics("predictions", "alerts", "rejected", "windows", streams.TOPIC, "members")
OUTPUTS = ("alerts", "members")
HALL = Group("hall", ("p", "q", "r"))
YARD = Group("yard", ("*",))


@dataclass(frozen=True)
class Closed:
    """The device's window `number`, which may come twice, of so many equal values."""

    device: str
    number: int
    length: int
    idle: bool


def window_alert_flow() -> Flow[Closed]:
    """The stage about windows; one rule's alerts are those of groups' devices."""
    rules = [
        AlertRule("gone", Silent(), scope=Scope(groups=(HALL, YARD))),
        AlertRule("thin", FewReadings(Bounds(below=3)), needed=2, of=3),
        AlertRule("stuck", Stuck("a", AtLeast(4)), cooldown_ms=90_000),
    ]
    changed = [
        AlertRule("gone", Silent(), scope=Scope(devices=("p", "q"), groups=(HALL, YARD))),  # "p" and "q" stay, the others do not
        AlertRule("meagre", FewReadings(Bounds(below=3)), needed=2, of=3),  # another name
        AlertRule("stuck", Stuck("a", AtLeast(3))),  # other limits
    ]
    return Flow(_stage(window_alerts, rules), OUTPUTS, _windows, lambda _: 1, lambda _: [], _stage(window_alerts, changed))


def _stage(build: Callable[[AlertTopics, Sequence[AlertRule]], AlertStage], rules: Sequence[AlertRule]) -> Callable[[], AlertStage]:
    return lambda: build(TOPICS, rules)


def random_closed(random: Random) -> Closed:
    """One of few windows, so that many come again."""
    return Closed(random.choice(streams.DEVICES), random.randint(0, 20), random.randint(1, 5), random.random() < 0.3)


def _windows(event: Closed, now_ms: int, partitions: int) -> list[Message]:
    start = 60_000 * event.number
    window = msgspec.structs.replace(
        make_window([[1.0]] * event.length, ("a",), device=event.device),
        id=f"{event.device}-{event.number}",
        start=start,
        end=start + 1,
        reason=CloseReason.IDLE if event.idle else CloseReason.GAP,
        source=Source(streams.TOPIC, 0, 2 * event.number, 2 * event.number + 1, start, start + 1),
    )
    return [Message("windows", event.device.encode(), encode_window(window))]


@dataclass(frozen=True)
class Wrong:
    """After `wait_ms` a reading of a device was refused; the rejected topic has it `copies` times."""

    wait_ms: int
    device: str
    copies: int
    is_clock: bool


def clock_flow() -> Flow[Wrong]:
    """The stage about clocks, which asks for the time while an episode is open."""
    rules = [ClockRule("clock", count=3, within_ms=30, clear_after_ms=20, cooldown_ms=25), ClockRule("once", count=1, within_ms=5)]

    changed = [ClockRule("once", count=2, within_ms=9, scope=Scope(devices=("p", "q", "r")))]

    def stage(rules: Sequence[ClockRule]) -> Callable[[], AlertStage]:
        return lambda: clock_alerts(TOPICS, rules, TICK_MS)

    return Flow(stage(rules), OUTPUTS, _refused, lambda event: event.wait_ms, _closing, stage(changed))


def random_wrong(random: Random) -> Wrong:
    """Mostly of a wrong clock."""
    return Wrong(random.choice([0, 1, 2, 5, 13, 40]), random.choice(streams.DEVICES), random.choice([1, 1, 2]), random.random() < 0.8)


def _refused(event: Wrong, now_ms: int, partitions: int) -> list[Message]:
    return [_rejected(event.device, RejectReason.FUTURE if event.is_clock else RejectReason.EMPTY, now_ms)] * event.copies


def _rejected(device: str, reason: RejectReason, now_ms: int, headers: Headers = ()) -> Message:
    reading = Record(streams.TOPIC, 0, now_ms, now_ms, device.encode(), b"{}", headers)
    return rejected_message("rejected", reading, Rejection(reason, "wrong"))


def _closing(partitions: int) -> list[Message]:
    """In each partition a last refused reading, of a time at which all others are long over."""
    return [
        msgspec.structs.replace(_rejected(f"last-{partition}", RejectReason.LATE, FAR_MS, (arrival_header(FAR_MS),)), partition=partition)
        for partition in range(partitions)
    ]


@dataclass(frozen=True)
class Stands:
    """A device's alert number `number` was raised or cleared."""

    device: str
    group: str
    number: int
    cleared: bool


def group_flow() -> Flow[Stands]:
    """The stage that counts the devices of groups."""
    rules, changed = (
        [AlertRule("gone", Silent(), scope=Scope(groups=groups, at_least=at_least))]
        for groups, at_least in (((HALL, YARD), 2), ((HALL,), 1))
    )
    return Flow(_stage(group_alerts, rules), ("alerts",), _members, lambda _: 1, lambda _: [], _stage(group_alerts, changed))


def random_stands(random: Random) -> Stands:
    """Numbers out of order are repeats."""
    return Stands(random.choice(streams.DEVICES), random.choice(["hall", "yard"]), random.randint(1, 6), random.random() < 0.5)


def _members(event: Stands, now_ms: int, partitions: int) -> list[Message]:
    state = AlertState.CLEARED if event.cleared else AlertState.RAISED
    alert = Alert(f"{event.device}-{event.number}", event.device, "gone", state, event.number, event.number, 1.0, (), event.number)
    return [Message("members", event.group.encode(), encode_member(Member(event.group, alert)))]

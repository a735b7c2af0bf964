"""The cases: which records are published when, what is done to the processes meanwhile, and how what came is put in words. Pure.

All take sessions with the gap and the grace of `task`. Event times are about the time of the day, as peers may use a wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.bench.peers.task import GAP_MS
from tests.bench.peers.windows import Judgement, Role, Seen, Sent, Window, judge, of_good_readings, placed, sessions

HOUR_S = 3_600
LONG_READINGS = 10_000


class Fault(Enum):
    """Done to the processes during a case."""

    KILL = "SIGKILL, and the same command again"
    JOIN = "a second process"
    KILL_SECOND = "SIGKILL for the second"


@dataclass(frozen=True)
class Case:
    """`records(now_ms)` begins at the time given. A case ends when its good windows are there, or `wait_s` after its last record."""

    name: str
    title: str
    records: Callable[[int], list[Sent]]
    verdict: Callable[[Sequence[Sent], Seen], str]
    wait_s: float = 30
    settle_s: float = 2  # after the last expected window: for repeats
    faults: Sequence[tuple[float, Fault]] = ()
    hooks: bool = False
    again: bool = False  # a further process reads the log when it is complete
    alone: bool = False  # it needs the machine for itself


def at_their_times(now_ms: int, device: str, partition: int, seconds: Iterable[float], delay_s: float = 0) -> list[Sent]:
    """Readings with event times in seconds after `now_ms`, each published when it is made, or later."""
    return [Sent(second + delay_s, partition, device, now_ms + round(1000 * second)) for second in seconds]


def uploaded(now_ms: int, at_s: float, device: str, partition: int, seconds: Iterable[float]) -> list[Sent]:
    """Readings that are published together."""
    return [Sent(at_s, partition, device, now_ms + round(1000 * second)) for second in seconds]


def closing(now_ms: int, at_s: float, devices: Iterable[tuple[str, int]], after_s: float = 60) -> list[Sent]:
    """A last reading of each (device, partition), `after_s` after the others."""
    return [Sent(at_s, partition, device, now_ms + round(1000 * (at_s + after_s)), Role.CLOSING) for device, partition in devices]


def judged(sent: Sequence[Sent], seen: Seen, *devices: str) -> Judgement:
    """The windows of all devices, or of these."""
    chosen = [record for record in sent if not devices or record.device in devices]
    return judge(sessions(chosen, GAP_MS), of_good_readings(chosen, seen.windows))


def plainly(sent: Sequence[Sent], seen: Seen) -> str:
    return str(judged(sent, seen))


def with_set_aside(sent: Sequence[Sent], seen: Seen) -> str:
    """And how many readings went to the topic for what is in no window."""
    return f"{judged(sent, seen)}" + (f"; {seen.late} readings set aside" if seen.late else "")


def one_quiet(now_ms: int) -> list[Sent]:
    quiet = at_their_times(now_ms, "quiet", 0, range(6)) + at_their_times(now_ms, "lonely", 1, range(6))
    return quiet + at_their_times(now_ms, "talker", 0, range(36))


def one_quiet_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    return f"{_after(sent, seen, 'quiet')}; alone in its partition: {_after(sent, seen, 'lonely')}"


def _after(sent: Sequence[Sent], seen: Seen, device: str) -> str:
    """How long after its last reading the window of a device came."""
    (window,) = sessions([record for record in sent if record.device == device], GAP_MS)
    last_s = max(record.at_s for record in sent if record.device == device)
    moments = [came.at_s for came in seen.came if came.window == window]
    return f"{min(moments) - last_s:.0f} s" if moments else f"not in {max(record.at_s for record in sent) - last_s:.0f} s"


def all_quiet(now_ms: int) -> list[Sent]:
    return [record for number in range(7) for record in at_their_times(now_ms, f"device-{number}", number % 4, range(5))]


def all_quiet_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    expected = set(sessions(sent, GAP_MS))
    moments = [came.at_s for came in seen.came if came.window in expected]
    last_s = max(record.at_s for record in sent)
    late = f" after {max(moments) - last_s:.0f} s" if moments else ""
    return f"{judged(sent, seen).right} of {len(expected)}{late}"


def live(now_ms: int) -> list[Sent]:
    steady = at_their_times(now_ms, "steady", 0, [*range(13), *range(26, 33)])
    blocks = [record for end in (8, 16, 24, 32) for record in uploaded(now_ms, end, "in-blocks", 1, range(end - 8, end))]
    return steady + blocks + closing(now_ms, 33, [("steady", 0), ("in-blocks", 1)])


def live_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    while_live, drained = (frozenset(of_good_readings(sent, windows)) for windows in (seen.windows, seen.again))
    if while_live == drained:
        return f"the same; {judged(sent, seen)}"
    return f"no: {_names(while_live - drained)} live, {_names(drained - while_live)} drained"


def _names(windows: Iterable[Window]) -> str:
    described = sorted(f"{window.device} {len(window.times)} readings" for window in windows)
    return ", ".join(described) or "nothing"


def clock_ahead(now_ms: int) -> list[Sent]:
    devices = [(f"device-{number}", 0) for number in range(4)]
    others = [record for device, partition in devices for record in at_their_times(now_ms, device, partition, range(13))]
    ahead = at_their_times(now_ms, "ahead", 0, [*range(6), *range(7, 13)])
    jump = Sent(6, 0, "ahead", now_ms + 1000 * (6 + 2 * HOUR_S), Role.FUTURE)
    ends = closing(now_ms, 13, devices) + closing(now_ms, 13, [("ahead", 0)], 4 * HOUR_S)
    return [*others, *ahead, jump, *ends]


def clock_ahead_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    others = {record.device for record in sent} - {"ahead"}
    later = [record for record in sent if record.device == "ahead" and record.role is Role.GOOD and record.at_s > 6]
    own = placed(later, seen.windows, GAP_MS)
    return f"others: {judged(sent, seen, *others)}; of its own later readings {own} of {len(later)} are in a window"


def out_of_order(now_ms: int) -> list[Sent]:
    delays_s = (0, 3.5, 1, 4, 0, 2)
    shuffled = [record for second in range(18) for record in at_their_times(now_ms, "shuffled", 0, [second], delays_s[second % 6])]
    bridged = at_their_times(now_ms, "bridged", 1, [0, 1, 2, 3, 17]) + at_their_times(now_ms, "bridged", 1, [13], 4.2)
    return shuffled + bridged + closing(now_ms, 23, [("shuffled", 0), ("bridged", 1)])


def out_of_order_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    return f"within a session: {judged(sent, seen, 'shuffled')}; one that joins two: {judged(sent, seen, 'bridged')}"


def late(now_ms: int) -> list[Sent]:
    begin_ms = now_ms - 60_000
    good = uploaded(begin_ms, 0, "device", 0, range(6)) + uploaded(begin_ms, 0.5, "device", 0, range(20, 26))
    too_late = Sent(1, 0, "device", begin_ms + 3_500, Role.LATE)
    return [*good, too_late, *closing(begin_ms, 2, [("device", 0)], 120)]


def late_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    return f"{judged(sent, seen)}; {'kept' if seen.late else 'not kept'}"


def offline(now_ms: int) -> list[Sent]:
    devices = [(f"device-{number}", 0) for number in range(3)]
    others = [record for device, partition in devices for record in at_their_times(now_ms, device, partition, range(13))]
    own = uploaded(now_ms, 6, "offline", 0, range(-120, -85)) + at_their_times(now_ms, "offline", 0, range(7, 13))
    return others + own + closing(now_ms, 13, [*devices, ("offline", 0)])


def all_day(now_ms: int) -> list[Sent]:
    """500 windows of eight readings, ten of each of 50 devices, whose sessions begin at different times; in 44 s, seven times as fast."""
    begin_ms = now_ms - 340_000
    devices = [(f"device-{number}", number % 4) for number in range(50)]
    sent: list[Sent] = []
    for number, (device, partition) in enumerate(devices):
        seconds = [28 * session + 0.56 * number + step for session in range(10) for step in range(8)]
        sent += [record for second in seconds for record in uploaded(begin_ms, second / 7, device, partition, [second])]
    return sent + closing(begin_ms, 45, devices, 355)


def poison(now_ms: int) -> list[Sent]:
    devices = [(f"device-{number}", number % 4) for number in range(6)]
    good = [record for device, partition in devices for record in at_their_times(now_ms, device, partition, [0, 1, 2, 3, 5, 6, 7, 8])]
    nan = f'{{"device": "device-2", "time": {now_ms + 4_000}, "values": {{"value": NaN}}}}'
    bodies = [b"not JSON", b'{"device": "device-1"}', nan.encode(), b""]
    bad = [Sent(4, partition, f"device-{partition}", now_ms + 4_000, Role.POISON, body) for partition, body in enumerate(bodies)]
    return good + bad + closing(now_ms, 9, devices)


def poison_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    return f"{judged(sent, seen)}; " + (f"ended {seen.exits} times" if seen.exits else "went on")


def long_session(now_ms: int) -> list[Sent]:
    begin_ms = now_ms - 1_100_000
    readings = uploaded(begin_ms, 0, "device", 0, [number / 10 for number in range(LONG_READINGS)])
    return readings + closing(begin_ms, 1, [("device", 0)], 1_100)


def long_session_verdict(sent: Sequence[Sent], seen: Seen) -> str:
    return f"{judged(sent, seen)}; {seen.cpu_s:.1f} CPU-s"


CASES = {
    case.name: case
    for case in (
        Case("quiet", "one device goes quiet: its last window comes after", one_quiet, one_quiet_verdict, wait_s=3),
        Case("all-quiet", "all 7 go quiet: windows in 35 s", all_quiet, all_quiet_verdict, wait_s=35),
        Case("live", "live and drained give the same windows", live, live_verdict, again=True),
        Case("ahead", "one clock 2 h ahead for one reading", clock_ahead, clock_ahead_verdict),
        Case("disorder", "out of order within the grace", out_of_order, out_of_order_verdict),
        Case("late", "a late reading", late, late_verdict, wait_s=20, settle_s=5),
        Case("offline", "an offline device uploads its readings later", offline, with_set_aside),
        Case("poison", "bad messages, defaults", poison, poison_verdict),
        Case("poison-hooks", "bad messages, with the documented hooks", poison, poison_verdict, hooks=True),
        Case(
            "killed",
            "SIGKILL twice, 500 windows",
            all_day,
            plainly,
            wait_s=60,
            settle_s=10,
            alone=True,
            faults=[(12, Fault.KILL), (29, Fault.KILL)],
        ),
        Case(
            "second",
            "a second process joins and is killed, 500 windows",
            all_day,
            plainly,
            wait_s=60,
            settle_s=10,
            alone=True,
            faults=[(10, Fault.JOIN), (28, Fault.KILL_SECOND)],
        ),
        Case("long", f"{LONG_READINGS:,} readings in one session", long_session, long_session_verdict, wait_s=180, alone=True),
    )
}

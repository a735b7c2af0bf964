"""Each kind of rule: what it measures and when it raises and clears. And for all: nothing that comes twice changes an alert."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.alert_clock import ClockMachine, Place, Refused
from pipeline.core.alert_conditions import Condition, FewReadings, Rate, Silent, Stuck, Threshold
from pipeline.core.alert_groups import GroupMachine
from pipeline.core.alert_limits import AtLeast, Bounds, Range
from pipeline.core.alert_rules import AlertRule, ClockRule, Group, Scope
from pipeline.core.alerting import AlertMachine
from pipeline.core.arrival import ArrivalClock
from pipeline.core.policy import PolicyError
from pipeline.records import Alert, AlertState, CloseReason, Member, RejectReason, Source, Window
from tests.support.alert_rules import prediction_of, threshold_rule
from tests.support.windows import make_window

NAN = math.nan
MINUTE = 60_000


def states(alerts: Sequence[Alert]) -> list[str]:
    return [str(alert.state) for alert in alerts]


def judged(condition: Condition, outputs: Sequence[float], needed: int = 1, of: int = 1) -> list[str]:
    """What happens with each output, one a minute."""
    machine = AlertMachine([AlertRule("rule", condition, needed, of)])
    alerts = [machine.judge(prediction_of("pump", number, output)) for number, output in enumerate(outputs)]
    return [" ".join(states(found)) for found in alerts]


def window_of(number: int, rows: Sequence[object], reason: CloseReason = CloseReason.GAP, sensors: Sequence[str] = ("a",)) -> Window:
    """The device's window `number`, one a minute, a step a second."""
    made = make_window(rows, sensors)
    start = MINUTE * number
    source = Source("readings", 0, 100 * number, 100 * number + 99, start, start + 1000 * len(rows))
    times = b"".join((start + 1000 * step).to_bytes(8, "little") for step in range(made.length))
    return msgspec.structs.replace(
        made, id=f"window-{number}", start=start, end=start + 1000 * len(rows), reason=reason, source=source, times=times
    )


# --- outputs


def test_outside_of_a_band_raises_and_a_margin_inside_clears() -> None:
    condition = Threshold("rul", Range(20, 80, margin=5))
    assert judged(condition, [20, 19, 21, 25, 81, 76, 75]) == ["", "raised", "", "cleared", "raised", "", "cleared"]


def test_inside_of_a_band_raises_and_a_margin_outside_clears() -> None:
    condition = Threshold("rul", Range(40, 60, inside=True, margin=5))
    assert judged(condition, [40, 41, 36, 35, 59, 64, 65]) == ["", "raised", "", "cleared", "raised", "", "cleared"]


def test_a_rate_is_that_between_two_windows_by_their_ends() -> None:
    falls = Rate("rul", Bounds(below=-60, clear_above=-30), per_ms=3_600_000)
    assert judged(falls, [100, 99, 97.9, 97.2, 96.8]) == ["", "", "raised", "", "cleared"]


def test_a_rate_must_hold_n_of_m_times() -> None:
    rises = Rate("rul", Bounds(above=1), per_ms=MINUTE)
    assert judged(rises, [0, 5, 5, 9, 9, 9], needed=2, of=3) == ["", "", "", "raised", "", "cleared"]


def test_a_rate_tells_its_value_in_its_unit_and_both_predictions_cannot_be_one() -> None:
    machine = AlertMachine([AlertRule("rise", Rate("rul", Bounds(above=1), per_ms=MINUTE))])
    (alert,) = [alert for number, output in enumerate([0.0, 5.0]) for alert in machine.judge(prediction_of("pump", number, output))]
    assert (alert.value, alert.predictions) == (5.0, ("prediction-pump-1",))


def test_windows_that_end_together_have_no_rate() -> None:
    machine = AlertMachine([AlertRule("rise", Rate("rul", Bounds(above=0)))])
    first = prediction_of("pump", 1, 1.0)
    again = msgspec.structs.replace(prediction_of("pump", 1, 9.0), id="other", window=msgspec.structs.replace(first.window, id="other"))
    assert machine.judge(first) + machine.judge(again) == []


# --- windows


def test_a_window_that_closed_as_idle_is_silence_and_any_other_ends_it() -> None:
    machine = AlertMachine([AlertRule("gone", Silent())])
    windows = [
        window_of(number, [1, 2], reason)
        for number, reason in enumerate([CloseReason.GAP, CloseReason.IDLE, CloseReason.IDLE, CloseReason.MAX_LENGTH])
    ]
    raised, cleared = [alert for window in windows for alert in machine.judge(window)]
    assert (raised.state, raised.since, raised.windows, raised.predictions) == (AlertState.RAISED, MINUTE + 2000, ("window-1",), ())
    assert (cleared.state, cleared.windows) == (AlertState.CLEARED, ("window-3",))


ROWS = [[1, NAN], [NAN, NAN], [2, 5], [3, NAN]]


@pytest.mark.parametrize(
    ("condition", "measured"),
    [
        (FewReadings(Bounds(below=10)), 4),
        (FewReadings(Bounds(below=0.5), share=True), 0.5),
        (FewReadings(Bounds(below=0.5), share=True, sensor="b"), 0.25),
        (FewReadings(Bounds(below=0.5), share=True, sensor="other"), None),
    ],
)
def test_few_readings_are_steps_or_the_share_of_values(condition: FewReadings, measured: float | None) -> None:
    assert condition.measure(window_of(0, ROWS, sensors=("a", "b"))) == measured


@pytest.mark.parametrize("reason", [CloseReason.RESET, CloseReason.END])
def test_a_window_that_was_cut_off_from_outside_is_no_measure(reason: CloseReason) -> None:
    assert FewReadings(Bounds(below=10)).measure(window_of(0, ROWS, reason, ("a", "b"))) is None


@pytest.mark.parametrize(
    ("values", "steps", "seconds"),
    [
        ([1, 2, 2, 2], 3, 2),
        ([2, 2, 2, 2], 4, 3),
        ([1, 2, NAN, 2, 2], 3, 3),
        ([2, 2, 1], 1, 0),
        ([2, 2], None, None),
        ([NAN, NAN], None, None),
    ],
    ids=["at the end", "all along", "unobserved steps do not count", "it moves", "too short to tell", "never observed"],
)
def test_stuck_is_how_long_a_sensor_has_not_changed_at_the_end(values: list[float], steps: float | None, seconds: float | None) -> None:
    window = window_of(0, [[value] for value in values])
    assert Stuck("a", AtLeast(3)).measure(window) == steps
    assert Stuck("a", AtLeast(2), seconds=True).measure(window) == seconds


def test_a_window_too_short_to_tell_neither_raises_nor_clears() -> None:
    machine = AlertMachine([AlertRule("stuck", Stuck("a", AtLeast(3)))])
    windows = [window_of(number, rows) for number, rows in enumerate([[[7], [7], [7]], [[7], [7]], [[7], [8]]])]
    assert [states(machine.judge(window)) for window in windows] == [["raised"], [], ["cleared"]]


# --- scope


def test_a_rule_is_about_the_devices_that_its_patterns_name() -> None:
    machine = AlertMachine([AlertRule("wear", Threshold("rul", Bounds(below=20)), scope=Scope(devices=("pump-*", "fan-1")))])
    devices = ["pump-1", "fan-1", "fan-2", "xpump-1"]
    assert [alert.device for device in devices for alert in machine.judge(prediction_of(device, 0, 1.0))] == ["pump-1", "fan-1"]
    assert not machine.remembers("fan-2")


def test_a_count_of_devices_without_groups_is_refused() -> None:
    with pytest.raises(PolicyError, match="at_least = 2"):
        Scope(at_least=2)


# --- clocks

CLOCK = ClockRule("clock", count=3, within_ms=100, clear_after_ms=50)
AHEAD = ClockRule("ahead", count=3, within_ms=100, reasons=(RejectReason.FUTURE,), scope=Scope(devices=("pump",)))


def refused(device: str, offset: int, arrival: int, reason: RejectReason = RejectReason.FUTURE, replayed: bool = False) -> Refused:
    return Refused(device, reason, Place("readings", 0, offset), arrival, replayed)


def played(machine: ClockMachine, stream: Sequence[Refused | int], first_offset: int = 0) -> list[Alert]:
    """A number is a tick at that time."""
    return [
        alert
        for offset, it in enumerate(stream, first_offset)
        for alert in (machine.tick(it, offset) if isinstance(it, int) else machine.take(it, offset))
    ]


def clock_machine() -> ClockMachine:
    return ClockMachine([CLOCK], ArrivalClock())


def test_n_refused_readings_within_the_time_raise_and_silence_clears() -> None:
    machine = clock_machine()
    apart = [refused("pump", 1, 0), refused("pump", 2, 60), refused("pump", 3, 120)]
    assert played(machine, apart) == []
    (raised,) = played(machine, [refused("pump", 4, 130)], 3)
    assert (raised.state, raised.since, raised.value) == (AlertState.RAISED, 130, 3.0)
    assert machine.waits_for_time
    assert played(machine, [179, refused("fan", 5, 179)], 4) == []
    (cleared,) = played(machine, [refused("fan", 6, 180)], 6)
    assert (cleared.device, cleared.state, cleared.time, cleared.id, cleared.number) == (
        "pump",
        AlertState.CLEARED,
        180,
        raised.id,
        raised.number,
    )
    assert not machine.waits_for_time


def test_only_the_reasons_and_devices_of_the_rule_count() -> None:
    machine = ClockMachine([AHEAD], ArrivalClock())
    stream = [refused("pump", n, n, RejectReason.LATE) for n in range(5)] + [refused("fan", n, n) for n in range(5, 10)]
    assert played(machine, stream) == []


def test_a_replay_brings_its_own_time() -> None:
    machine = clock_machine()
    replayed = [refused("pump", n, 1000 + n, replayed=True) for n in range(3)]
    assert states(played(machine, replayed)) == ["raised"]
    assert not machine.waits_for_time
    assert played(machine, [10**9], 3) == [], "the time of the day is not the recording's"
    assert states(played(machine, [refused("fan", 4, 10**9)], 4)) == ["cleared"]


STREAMS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 60), st.sampled_from(["pump", "fan"]), st.booleans()),
        st.integers(1, 120),
    ),
    max_size=40,
)


def stream_of(drawn: Sequence[tuple[int, str, bool] | int]) -> list[Refused | int]:
    now, stream = 1000, list[Refused | int]()
    for offset, it in enumerate(drawn):
        now += it if isinstance(it, int) else it[0]
        stream.append(now if isinstance(it, int) else refused(it[1], offset, now, RejectReason.LATE if it[2] else RejectReason.FUTURE))
    return stream


@settings(deadline=None)
@given(STREAMS, st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=20))
def test_refused_readings_that_come_again_anywhere_change_no_alert(
    drawn: list[tuple[int, str, bool] | int], repeats: list[tuple[int, int]]
) -> None:
    stream = stream_of(drawn)
    again: list[Refused | int] = []
    for place, it in enumerate(stream):
        again.append(it)
        again += [stream[earlier] for earlier, later in repeats if later == place and earlier <= place]
    assert played(clock_machine(), again) == played(clock_machine(), stream)


@settings(deadline=None)
@given(STREAMS, st.integers(0, 40))
def test_dumped_and_loaded_clocks_go_on_where_they_were(drawn: list[tuple[int, str, bool] | int], place: int) -> None:
    stream = stream_of(drawn)
    first = clock_machine()
    before = played(first, stream[:place])
    second = ClockMachine([CLOCK], first.clock)
    for device in ("pump", "fan"):
        dumped = first.dump(device)
        if dumped is not None:
            second.load(device, *dumped)
    assert before + played(second, stream[place:], min(place, len(stream))) == played(clock_machine(), stream)


# --- groups

HALL = Group("hall", ("pump-*",))
IN_HALL = threshold_rule("wear", "rul", below=20)
GROUPED = AlertRule("wear", IN_HALL.condition, scope=Scope(groups=(HALL,), at_least=2))


def members(device: str, outputs: Sequence[float]) -> list[Member]:
    machine = AlertMachine([GROUPED])
    alerts = [alert for number, output in enumerate(outputs) for alert in machine.judge(prediction_of(device, number, output))]
    return [Member("hall", alert) for alert in alerts]


def counted(stream: Sequence[Member], rule: AlertRule = GROUPED) -> list[Alert]:
    machine = GroupMachine([rule])
    return [alert for offset, member in enumerate(stream) for alert in machine.take(member, offset)]


def test_a_group_is_in_alarm_while_enough_of_its_devices_are() -> None:
    one, other, third = (members(f"pump-{n}", [10, 80]) for n in range(3))
    raised, cleared = counted([one[0], other[0], third[0], one[1], other[1], third[1]])
    assert (raised.device, raised.rule, raised.state, raised.devices) == ("hall", "wear", AlertState.RAISED, ("pump-0", "pump-1"))
    assert (cleared.state, cleared.id, cleared.devices, cleared.value) == (AlertState.CLEARED, raised.id, ("pump-2",), 1.0)


def test_a_device_that_has_left_the_group_does_not_hold_for_it() -> None:
    smaller = AlertRule("wear", GROUPED.condition, scope=Scope(groups=(Group("hall", ("pump-1", "pump-2")),), at_least=2))
    stream = [member for device in range(3) for member in members(f"pump-{device}", [10])]
    assert [alert.devices for alert in counted(stream, smaller)] == [("pump-1", "pump-2")]


def test_each_episode_of_a_group_has_an_id_and_a_number_of_its_own() -> None:
    one, other = members("pump-0", [10]), members("pump-1", [10, 80, 10, 80])
    alerts = counted([*one, *other])
    assert states(alerts) == ["raised", "cleared", "raised", "cleared"]
    assert alerts[0].id != alerts[2].id
    assert alerts[0].number < alerts[2].number


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["pump-0", "pump-1", "pump-2"]), st.booleans()), max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=20),
    st.integers(0, 30),
)
def test_alerts_of_devices_that_come_again_anywhere_change_no_alert_of_the_group(
    drawn: list[tuple[str, bool]], repeats: list[tuple[int, int]], place: int
) -> None:
    by_device = {device: iter(members(device, [10.0 if low else 80.0 for _, low in mine])) for device, mine in grouped(drawn).items()}
    stream = [member for device, _ in drawn if (member := next(by_device[device], None)) is not None]
    again: list[Member] = []
    for number, member in enumerate(stream):
        again.append(member)
        again += [stream[earlier] for earlier, later in repeats if later == number and earlier <= number]
    assert counted(again) == counted(stream)
    first, second = GroupMachine([GROUPED]), GroupMachine([GROUPED])
    before = [alert for offset, member in enumerate(stream[:place]) for alert in first.take(member, offset)]
    dumped = first.dump("hall")
    if dumped is not None:
        second.load("hall", *dumped)
    assert before + [alert for offset, member in enumerate(stream) for alert in second.take(member, offset)] == counted(stream)


def grouped(drawn: Sequence[tuple[str, bool]]) -> dict[str, list[tuple[str, bool]]]:
    in_order = sorted(drawn, key=lambda it: it[0])
    return {device: list(mine) for device, mine in groupby(in_order, key=lambda it: it[0])}

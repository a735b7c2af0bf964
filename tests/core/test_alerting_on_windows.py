"""What alerting relies on, tried with real windows: of one device, no new window is behind one that came before.

Any kind of window, disorder, bad clocks, batch records, late readings, revisions and early windows.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.core.alert_conditions import FewReadings, Rate, Silent, Stuck, Threshold
from pipeline.core.alert_limits import AtLeast, Bounds, Range
from pipeline.core.alert_rules import AlertRule
from pipeline.core.alerting import AlertMachine
from pipeline.core.policy import Count, Hopping, Keep, Overflow, PolicyError, Session, Shape, Tumbling, WindowPolicy
from pipeline.core.windower import PartitionWindower
from pipeline.records import AlertState, ModelIdentity, Prediction, PredictionTimes, Window, WindowSummary
from tests.support.alert_rules import threshold_rule

SHAPES: list[Shape] = [Session(10), Tumbling(10), Hopping(12, 4), Count(4, 2, True), Count(4, 3, False)]
WEAR = threshold_rule("wear", "rul", below=0, needed=2, of=3, early=True)
ABOUT_OUTPUTS = [
    WEAR,
    AlertRule("band", Threshold("rul", Range(-0.5, 0.5)), needed=2, of=2, cooldown_ms=5),
    AlertRule("rate", Rate("rul", Bounds(below=-50, clear_above=0))),
]
ABOUT_WINDOWS = [
    AlertRule("gone", Silent()),
    AlertRule("thin", FewReadings(Bounds(below=3, clear_above=4)), needed=2, of=3),
    AlertRule("stuck", Stuck("a", AtLeast(2))),
]


@dataclass(frozen=True)
class Batch:
    """A record with readings of one device: after `wait_ms`, by clocks that are behind its arrival."""

    wait_ms: int
    behind_ms: tuple[int, ...]


BATCHES = st.lists(
    st.builds(
        Batch,
        wait_ms=st.one_of(st.integers(0, 6), st.integers(0, 60)),
        behind_ms=st.lists(st.one_of(st.integers(0, 12), st.integers(-40, 40)), min_size=1, max_size=5).map(tuple),
    ),
    max_size=40,
)


@st.composite
def policies(draw: st.DrawFn) -> WindowPolicy:
    try:
        return WindowPolicy(
            shape=draw(st.sampled_from(SHAPES)),
            out_of_orderness_ms=draw(st.integers(0, 8)),
            idle_timeout_ms=draw(st.integers(18, 40)),
            max_length=draw(st.integers(4, 6)),
            overflow=draw(st.sampled_from(Overflow)),
            keep=draw(st.sampled_from(Keep)),
            max_duration_ms=draw(st.none() | st.integers(0, 15)),
            carry=draw(st.sampled_from([0, 0, 1, 3])),
            emit_every=draw(st.sampled_from([0, 1, 2])),
            allowed_lateness_ms=draw(st.sampled_from([0, 5, 20])),
            max_pending=draw(st.sampled_from([1, 3, 10_000])),
        )
    except PolicyError:
        assume(False)
        raise


def windows_of(policy: WindowPolicy, batches: list[Batch]) -> list[Window]:
    windower = PartitionWindower(policy, ("a",), "readings", 0)
    windows, now = [], 1_000
    for offset, batch in enumerate(batches):
        now += batch.wait_ms
        windower.arrive(now, False, offset)
        for behind_ms in batch.behind_ms:
            windower.take("pump", now - behind_ms, struct.pack("<f", float(behind_ms % 3)), offset, now)
        windows += windower.collect()
    return windows


def scored(window: Window) -> Prediction:
    """Its model takes windows of an even length for worn out."""
    return Prediction(
        id=f"{window.id}.{window.sequence}.{window.revision}",
        device=window.device,
        window=WindowSummary(
            id=window.id,
            start=window.start,
            end=window.end,
            length=window.length,
            reason=window.reason,
            final=window.final,
            sequence=window.sequence,
            revision=window.revision,
            dropped=window.dropped,
        ),
        outputs={"rul": 1.0 if window.length % 2 else -1.0},
        model=ModelIdentity("parity", "1", "0" * 64, "none"),
        source=window.source,
        padded_to=window.length,
        times=PredictionTimes(window.source.last_arrival, window.source.last_arrival),
    )


@settings(deadline=None)
@given(policies(), BATCHES)
def test_no_new_window_is_taken_for_a_repeat(policy: WindowPolicy, batches: list[Batch]) -> None:
    windows = windows_of(policy, batches)
    machine = AlertMachine([WEAR])
    for window in windows:
        machine.judge(scored(window))
    assert (machine.counts.judged, machine.counts.repeated) == (len(windows), 0)


@settings(deadline=None)
@given(policies(), BATCHES, st.integers(0, 40))
def test_a_log_read_again_from_any_place_changes_no_alert(policy: WindowPolicy, batches: list[Batch], place: int) -> None:
    windows = windows_of(policy, batches)
    about: list[tuple[list[AlertRule], Sequence[Prediction | Window]]] = [
        (ABOUT_OUTPUTS, [scored(window) for window in windows]),
        (ABOUT_WINDOWS, windows),
    ]
    for rules, seen in about:
        machine = AlertMachine(rules)
        once = [alert for each in seen for alert in machine.judge(each)]
        assert [alert for each in seen[-place:] for alert in machine.judge(each)] == []
        repeated = AlertMachine(rules)
        assert [alert for each in [*seen[:place], *seen] for alert in repeated.judge(each)] == once


@settings(deadline=None)
@given(policies(), BATCHES)
def test_under_each_kind_of_rule_raised_and_cleared_alternate_and_share_an_id(policy: WindowPolicy, batches: list[Batch]) -> None:
    windows = windows_of(policy, batches)
    machines = AlertMachine(ABOUT_OUTPUTS), AlertMachine(ABOUT_WINDOWS)
    alerts = [alert for window in windows for alert in [*machines[0].judge(scored(window)), *machines[1].judge(window)]]
    for rule in {alert.rule for alert in alerts}:
        mine = [alert for alert in alerts if alert.rule == rule]
        assert [alert.state for alert in mine] == [AlertState.RAISED, AlertState.CLEARED] * (len(mine) // 2) + [AlertState.RAISED] * (
            len(mine) % 2
        )
        assert all(begin.id == end.id and begin.number == end.number for begin, end in zip(mine[::2], mine[1::2], strict=False))
        numbers = [alert.number for alert in mine[::2]]
        assert numbers == sorted(set(numbers)), "each episode has a higher number"

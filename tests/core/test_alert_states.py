"""What becomes of an open episode when the configuration changes: its rule is gone, is about others, or has other limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.alert_clock import ClockMachine, Place, Refused
from pipeline.core.alert_groups import GroupMachine
from pipeline.core.alert_rules import AlertRule, ClockRule, Group, Scope
from pipeline.core.alert_states import Orphan, RuleStates
from pipeline.core.alerting import AlertMachine
from pipeline.core.arrival import ArrivalClock
from pipeline.records import Alert, AlertCause, AlertState, Member, RejectReason
from tests.support.alert_rules import prediction_of, threshold_rule

WEAR = threshold_rule("wear", "rul", below=20, clear_above=30)
CLOCK = ClockRule("wear", count=2, within_ms=100)
HALL, YARD = Group("hall", ("pump-*",)), Group("yard", ("*",))
GROUPED = replace(WEAR, scope=Scope(groups=(HALL, YARD)))

Rules = Sequence[Any]


def judged(machine: AlertMachine, outputs: Sequence[float]) -> list[Alert]:
    return [alert for number, it in enumerate(outputs) for alert in machine.take(prediction_of("pump-1", number, it), number)]


def of_outputs(rules: Rules) -> tuple[RuleStates[Any], Alert]:
    """A machine with an open episode, and the alert that began it."""
    machine = AlertMachine(rules)
    (raised,) = judged(machine, [80.0, 15.0, 12.0, 25.0])
    return machine, raised


def of_clocks(rules: Rules) -> tuple[RuleStates[Any], Alert]:
    machine = ClockMachine(rules, ArrivalClock())
    readings = [Refused("pump-1", RejectReason.FUTURE, Place("readings", 0, offset), 1000 + offset) for offset in range(3)]
    (raised,) = [alert for offset, it in enumerate(readings) for alert in machine.take(it, offset)]
    return machine, raised


def of_groups(rules: Rules) -> tuple[RuleStates[Any], Alert]:
    """The key is the group "hall"."""
    machine = GroupMachine(rules)
    members = [Member("hall", Alert("e", f"pump-{n}", "wear", AlertState.RAISED, 1000 + n, 1000 + n, 1.0, (), 1)) for n in range(2)]
    (raised,) = [alert for offset, it in enumerate(members) for alert in machine.take(it, offset)]
    return machine, raised


def clock_machine(rules: Rules) -> ClockMachine:
    return ClockMachine(rules, ArrivalClock())


def restored(before: RuleStates[Any], raised: Alert, after: RuleStates[Any]) -> list[Orphan]:
    dumped = before.dump(raised.device)
    assert dumped is not None
    after.load(raised.device, *dumped)
    return after.take_orphans()


Open = Callable[[Rules], tuple[RuleStates[Any], Alert]]
KINDS = [
    pytest.param(of_outputs, AlertMachine, WEAR, (180_001, 25.0), id="outputs"),
    pytest.param(of_clocks, clock_machine, CLOCK, (1002, 2.0), id="clocks"),
    pytest.param(of_groups, GroupMachine, GROUPED, (1001, 2.0), id="groups"),
]


@pytest.mark.parametrize(("opened", "machine", "rule", "last"), KINDS)
@pytest.mark.parametrize("renamed", [False, True], ids=["removed", "renamed"])
def test_an_episode_whose_rule_is_gone_is_cleared_at_the_restore(
    opened: Open, machine: Callable[[Rules], RuleStates[Any]], rule: Any, last: tuple[int, float], renamed: bool
) -> None:
    before, raised = opened([rule])
    rules = [replace(rule, name="other")] if renamed else []
    after = machine(rules)
    (orphan,) = restored(before, raised, after)
    cleared = orphan.alert
    assert (cleared.id, cleared.device, cleared.rule, cleared.number) == (raised.id, raised.device, raised.rule, raised.number)
    assert (cleared.state, cleared.cause, cleared.since) == (AlertState.CLEARED, AlertCause.RULE_REMOVED, raised.since)
    assert (cleared.time, cleared.value) == last, "of what was judged last"
    assert not orphan.grouped
    assert after.take_orphans() == [], "once"
    assert after.dump(raised.device) is None, "nothing is left of it"
    assert restored(before, raised, machine(rules)) == [orphan], "whoever restores the same state says the same"


@pytest.mark.parametrize(("opened", "machine", "rule", "last"), KINDS)
def test_an_episode_whose_rule_is_there_goes_on(
    opened: Open, machine: Callable[[Rules], RuleStates[Any]], rule: Any, last: tuple[int, float]
) -> None:
    before, raised = opened([rule])
    after = machine([rule, replace(rule, name="other")])
    assert restored(before, raised, after) == []
    assert after.dump(raised.device) == before.dump(raised.device)


@pytest.mark.parametrize(("opened", "machine", "rule"), [(of_outputs, AlertMachine, WEAR), (of_clocks, clock_machine, CLOCK)])
def test_a_device_that_the_rule_is_no_longer_about_is_cleared(opened: Open, machine: Callable[[Rules], RuleStates[Any]], rule: Any) -> None:
    before, raised = opened([rule])
    (orphan,) = restored(before, raised, machine([replace(rule, scope=Scope(devices=("fan-*",)))]))
    assert (orphan.alert.id, orphan.alert.cause) == (raised.id, AlertCause.RULE_REMOVED)


def test_a_group_that_the_rule_no_longer_has_is_cleared_and_another_one_is_not() -> None:
    before, raised = of_groups([GROUPED])
    (orphan,) = restored(before, raised, GroupMachine([replace(GROUPED, scope=Scope(groups=(YARD,)))]))
    assert (orphan.alert.id, orphan.alert.device) == (raised.id, "hall")
    assert restored(before, raised, GroupMachine([replace(GROUPED, scope=Scope(groups=(HALL,)))])) == []


@pytest.mark.parametrize(("rule", "later"), [(WEAR, GROUPED), (GROUPED, WEAR)], ids=["to groups", "from groups"])
def test_a_rule_that_changes_between_devices_and_groups_begins_anew(rule: AlertRule, later: AlertRule) -> None:
    before, raised = of_outputs([rule])
    after = AlertMachine([later])
    (orphan,) = restored(before, raised, after)
    assert orphan.grouped is (rule is GROUPED), "whoever was told that it began is told that it ended"
    assert [alert.state for alert in after.take(prediction_of("pump-1", 9, 10.0), 9)] == [AlertState.RAISED]


def test_a_rule_with_other_limits_keeps_its_episode_and_is_judged_on_under_them() -> None:
    before, raised = of_outputs([WEAR])
    lower = AlertMachine([threshold_rule("wear", "rul", below=10, clear_above=11)])
    assert restored(before, raised, lower) == []
    (cleared,) = judged(lower, [80, 15, 12, 25, 10, 11])
    assert (cleared.id, cleared.state, cleared.value, bool(cleared.cause)) == (raised.id, AlertState.CLEARED, 11.0, False)

    higher = AlertMachine([threshold_rule("wear", "rul", below=90)])
    assert restored(before, raised, higher) == []
    assert judged(higher, [80, 15, 12, 25, 80]) == [], "it holds on"
    assert [alert.id for alert in judged(higher, [80, 15, 12, 25, 80, 90])] == [raised.id]


def test_only_the_episodes_of_rules_that_are_gone_end() -> None:
    other = replace(WEAR, name="other")
    machine = AlertMachine([WEAR, other])
    raised, kept = judged(machine, [15])
    after = AlertMachine([other])
    (orphan,) = restored(machine, raised, after)
    assert orphan.alert.id == raised.id
    assert [alert.id for alert in judged(after, [15, 80])] == [kept.id]


def test_a_rule_that_is_gone_without_an_open_episode_says_nothing() -> None:
    machine = AlertMachine([WEAR])
    raised, _ = judged(machine, [15, 80])
    assert restored(machine, raised, AlertMachine([])) == []

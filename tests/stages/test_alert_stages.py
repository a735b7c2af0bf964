"""The alert stages about windows, clocks and groups on records: what they pass over, publish, and wait for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.core.alert_conditions import Silent
from pipeline.core.alert_rules import AlertRule, ClockRule, Group, Rule, Scope
from pipeline.records import Alert, AlertCause, AlertState, CloseReason, Member, Rejection, RejectReason
from pipeline.stages.alert import (
    AlertStage,
    AlertTopics,
    alert_stages,
    clock_alerts,
    group_alerts,
    prediction_alerts,
    unneeded_stages,
    window_alerts,
)
from pipeline.stages.protocol import Handover
from pipeline.wire.alerts import decode_alert, decode_member, encode_member
from pipeline.wire.headers import arrival_header
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import encode_window
from tests.support.alert_rules import prediction_of, threshold_rule
from tests.support.windows import make_window

TOPICS = AlertTopics("predictions", "alerts", "rejected", "windows", "readings", "members")
NOW = 1_767_225_600_000
GONE = AlertRule("gone", Silent())
CLOCK = ClockRule("clock", count=2, within_ms=1000)
HALLS = (Group("hall", ("pump",)), Group("all", ("*",)))
WEAR = threshold_rule("wear", "rul", below=20)
GROUPED = AlertRule("wear", WEAR.condition, scope=Scope(groups=HALLS, at_least=2))


def assigned(stage: AlertStage) -> AlertStage:
    stage.assign(Handover(0, 0, writer="first"))
    return stage


def record(topic: str, offset: int, message: Message, timestamp: int = NOW) -> Record:
    return Record(topic, 0, offset, timestamp, message.key, message.value, message.headers)


def idle_window(device: str = "pump") -> Message:
    window = msgspec.structs.replace(make_window([[1.0]], ("a",), device=device), reason=CloseReason.IDLE)
    return Message("windows", device.encode(), encode_window(window))


def refused(
    offset: int, arrival: int, reason: RejectReason = RejectReason.FUTURE, topic: str = "readings", headers: Headers = ()
) -> Message:
    return rejected_message("rejected", Record(topic, 0, offset, arrival, b"pump", b"{}", headers), Rejection(reason, "wrong"))


def shown(messages: Sequence[Message]) -> list[tuple[str, AlertState]]:
    alerts = [decode_alert(message.value or b"") for message in messages if message.topic == "alerts"]
    return [(alert.device, alert.state) for alert in alerts]


def test_there_is_a_stage_for_each_topic_that_a_rule_is_about() -> None:
    def names(*rules: Rule) -> list[tuple[str, str]]:
        return [(stage.name, stage.source) for stage in alert_stages(TOPICS, rules, 1000)]

    assert names() == [("alert", "predictions")]
    everything = [("alert", "predictions"), ("alert.windows", "windows"), ("alert.clocks", "rejected"), ("alert.groups", "members")]
    assert names(GROUPED, GONE, CLOCK) == everything


def test_what_is_no_window_is_passed_over_and_the_rest_is_judged() -> None:
    stage = assigned(window_alerts(TOPICS, [GONE]))
    window = idle_window()
    others = [Message("windows", b"pump", b"\xff"), Message("windows", b"fan", window.value), Message("windows", b"", None)]
    messages = stage.step([record("windows", offset, message) for offset, message in enumerate([*others, window])], NOW)
    assert shown(messages) == [("pump", AlertState.RAISED)]
    assert stage.counts()["ignored"] == 3


@pytest.mark.parametrize(
    "other",
    [
        refused(2, NOW, RejectReason.EMPTY),
        refused(2, NOW, topic="windows"),
        Message("rejected", b"pump", b"{}"),
        Message("rejected", b"pump", b"{}", (*refused(2, NOW).headers, ("source.offset", b"two"))),
    ],
    ids=["another reason", "no reading", "no headers", "a header that is no number"],
)
def test_only_readings_that_were_refused_for_their_time_count(other: Message) -> None:
    stage = assigned(clock_alerts(TOPICS, [CLOCK], 1000))
    assert stage.step([record("rejected", 0, refused(1, NOW)), record("rejected", 1, other)], NOW) == []
    assert shown(stage.step([record("rejected", 2, refused(3, NOW))], NOW)) == [("pump", AlertState.RAISED)]


def test_an_open_clock_alert_waits_for_time_and_a_tick_of_the_broker_clears_it() -> None:
    stage = assigned(clock_alerts(TOPICS, [CLOCK], 1000))
    assert stage.tick(0) is None
    stage.step([record("rejected", offset, refused(offset, NOW)) for offset in range(2)], NOW)
    tick = stage.tick(0)
    assert tick is not None
    assert (tick.topic, tick.value) == ("rejected", None)
    assert stage.step([record("rejected", 2, tick, NOW + 999)], NOW) == []
    assert shown(stage.step([record("rejected", 3, tick, NOW + 1000)], NOW)) == [("pump", AlertState.CLEARED)]
    assert stage.tick(0) is None


def test_the_time_of_a_reading_is_when_it_arrived_not_when_it_was_refused() -> None:
    stage = assigned(clock_alerts(TOPICS, [CLOCK], 1000))
    together = [record("rejected", offset, refused(offset, 5000 * offset), NOW) for offset in range(2)]
    assert stage.step(together, NOW) == []
    replayed = [record("rejected", offset, refused(offset, 0, headers=(arrival_header(9000),)), NOW + 5000 * offset) for offset in (2, 3)]
    (alert,) = [decode_alert(message.value or b"") for message in stage.step(replayed, NOW)]
    assert alert.since == 9000


def test_the_arrival_clock_of_the_rejected_topic_survives_a_restart() -> None:
    stage = assigned(clock_alerts(TOPICS, [CLOCK], 1000))
    stage.step([record("rejected", offset, refused(offset, 0, headers=(arrival_header(9000),))) for offset in (0, 1)], NOW)
    checkpoint = stage.checkpoint(0)
    heir = clock_alerts(TOPICS, [CLOCK], 1000)
    state = [Record("state", 0, 0, NOW, write.key, write.value) for write in checkpoint.writes]
    heir.assign(Handover(0, 2, checkpoint.position, state, "second"))
    assert heir.tick(0) is None, "it is a recording's time"
    assert shown(heir.step([record("rejected", 2, refused(5, NOW))], NOW)) == [("pump", AlertState.CLEARED)]


def test_alerts_of_a_rule_for_groups_go_to_each_group_of_the_device_under_the_group_as_key() -> None:
    stage = assigned(prediction_alerts(TOPICS, [GROUPED]))
    prediction = prediction_of("pump", 0, 10.0)
    messages = stage.step([record("predictions", 0, Message("predictions", b"pump", encode_prediction(prediction)))], NOW)
    assert [(message.topic, message.key) for message in messages] == [("members", b"hall"), ("members", b"all")]
    assert {decode_member(message.value or b"").alert.device for message in messages} == {"pump"}


def test_the_group_is_the_device_of_its_alert() -> None:
    stage, groups = assigned(prediction_alerts(TOPICS, [GROUPED])), assigned(group_alerts(TOPICS, [GROUPED]))
    messages: list[Message] = []
    for offset, device in enumerate(["pump", "fan"]):
        prediction = Message("predictions", device.encode(), encode_prediction(prediction_of(device, 0, 10.0)))
        messages += stage.step([record("predictions", offset, prediction)], NOW)
    made = groups.step(
        [record("members", offset, message) for offset, message in enumerate([*messages, Message("members", b"all", b"{")])], NOW
    )
    assert [message.key for message in made] == [b"all"]
    assert shown(made) == [("all", AlertState.RAISED)]
    assert groups.counts()["ignored"] == 1


def after_a_change(before: AlertStage, after: AlertStage) -> Sequence[Message]:
    """What the next owner makes known with its first checkpoint."""
    left = before.checkpoint(0)
    state = [Record("state", 0, 0, NOW, write.key, write.value) for write in left.writes]
    after.assign(Handover(0, left.position.offset, left.position, state, "second"))
    messages = after.checkpoint(0).messages
    assert after.checkpoint(0).messages == [], "once"
    return messages


def worn(rule: AlertRule, device: str = "pump") -> AlertStage:
    """A stage with an open episode of the rule."""
    stage = assigned(prediction_alerts(TOPICS, [rule]))
    assert stage.step([record("predictions", 0, Message("predictions", b"pump", encode_prediction(prediction_of(device, 0, 10.0))))], NOW)
    return stage


def test_the_end_of_an_episode_whose_rule_is_gone_goes_where_its_beginning_went() -> None:
    (message,) = after_a_change(worn(WEAR), prediction_alerts(TOPICS, []))
    alert = decode_alert(message.value or b"")
    assert (message.topic, message.key, alert.state, alert.cause) == ("alerts", b"pump", AlertState.CLEARED, AlertCause.RULE_REMOVED)
    (message,) = after_a_change(worn(WEAR), prediction_alerts(TOPICS, [GROUPED]))
    assert message.topic == "alerts", "the device's episode was its own"


def test_the_groups_of_a_device_that_their_rule_is_no_longer_about_do_not_hold_by_it() -> None:
    others = AlertRule("wear", WEAR.condition, scope=Scope(devices=("fan",), groups=HALLS, at_least=2))
    messages = after_a_change(worn(GROUPED), prediction_alerts(TOPICS, [others]))
    assert [(message.topic, message.key) for message in messages] == [("members", b"hall"), ("members", b"all")]
    assert {decode_member(message.value or b"").alert.state for message in messages} == {AlertState.CLEARED}


def test_a_rule_for_groups_that_is_gone_ends_the_groups_episodes_and_none_of_the_devices() -> None:
    assert after_a_change(worn(GROUPED), prediction_alerts(TOPICS, [])) == []
    groups = assigned(group_alerts(TOPICS, [AlertRule("wear", WEAR.condition, scope=Scope(groups=HALLS))]))
    member = Member("hall", Alert("e", "pump", "wear", AlertState.RAISED, 1, 1, 1.0, (), 1))
    raised = groups.step([record("members", 0, Message("members", b"hall", encode_member(member)))], NOW)
    cleared = after_a_change(groups, group_alerts(TOPICS, []))
    assert shown([*raised, *cleared]) == [("hall", AlertState.RAISED), ("hall", AlertState.CLEARED)]


def test_the_stages_that_no_rule_needs_are_those_that_are_not_there() -> None:
    def names(*rules: Rule) -> list[str]:
        return [stage.name for stage in unneeded_stages(TOPICS, alert_stages(TOPICS, rules, 1000))]

    assert names() == ["alert.windows", "alert.clocks", "alert.groups"]
    assert names(CLOCK) == ["alert.windows", "alert.groups"]
    assert names(GROUPED, GONE, CLOCK) == []

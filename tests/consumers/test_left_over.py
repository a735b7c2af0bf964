"""A kind of rule is removed altogether: the stage for it runs once more, to clear what it has left open."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from consumers.alerter import left_over
from consumers.launch import Launch, build_stages, require_topics, run_stages, with_left_over
from consumers.takeover import take_over
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Record
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.records import Alert, AlertCause, AlertState, Rejection, RejectReason
from pipeline.runner import Finish
from pipeline.stages.protocol import Accept
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.rejected import rejected_message
from tests.support.alert_rules import prediction_of
from tests.support.broker_logs import publish

ALERT = Launch(("alert", "notify"), finish=Finish.UNTIL_END)
CLOCK = {"name": "clock", "kind": "clock", "count": 2, "within": "1s"}
HALL = {"name": "hall-wears", "output": "rul", "below": 20, "groups": ["hall"]}
RULES = [pytest.param(CLOCK, "alert.clocks", id="the last rule about clocks"), pytest.param(HALL, "alert.groups", id="for groups")]


def settings_of(rules: Sequence[dict[str, Any]]) -> Settings:
    return Settings.model_validate({"sensors": {"names": ["a"]}, "groups": {"hall": ["pump"]}, "alerts": rules})


class House:
    """A log in memory on which both rules raise an alert."""

    def __init__(self) -> None:
        self._log = MemoryLog(SystemClock())
        self.broker = self.connect()
        topics = settings_of([]).topics
        for topic in topics.all():
            self.broker.create_topic(topic)
        wrong = [Record(topics.readings, 0, offset, 1000, b"pump", b"{}") for offset in range(2)]
        publish(self.broker, *[rejected_message(topics.rejected, it, Rejection(RejectReason.FUTURE, "wrong")) for it in wrong])
        publish(self.broker, Message(topics.predictions, b"pump", encode_prediction(prediction_of("pump", 0, 10.0))))

    def connect(self) -> MemoryBroker:
        return MemoryBroker(self._log)

    def run(self, *rules: dict[str, Any]) -> list[str]:
        """To the end of what there is; the names of the stages that ran."""
        settings = settings_of(rules)
        stages = with_left_over(self.broker, settings, ALERT, build_stages(settings, ALERT))
        require_topics(self.broker, settings, ALERT, stages)
        run_stages(settings, ALERT, stages, self.connect, threading.Event())
        return [stage.name for stage in stages]

    def checkpoint_twice(self) -> None:
        """As in a run that goes on: what one checkpoint allowed to be deleted is gone with the next."""
        settings = settings_of([])
        for stage in left_over(self.broker, settings):
            take_over(self.connect, stage, settings.group(stage.name), Accept.NOTHING)

    def alerts(self) -> list[Alert]:
        topic = settings_of([]).topics.alerts
        return [decode_alert(record.value or b"") for record in read_now(self.broker, topic, self.broker.end_offsets(topic))]


@pytest.mark.parametrize(("rule", "stage"), RULES)
def test_the_stage_of_a_rule_that_is_gone_clears_what_is_open_and_is_then_gone_too(rule: dict[str, Any], stage: str) -> None:
    house = House()
    assert house.run(rule) == ["alert", stage]
    (raised,) = house.alerts()
    assert house.run() == ["alert", stage]
    _, cleared = house.alerts()
    assert (cleared.id, cleared.state, cleared.cause) == (raised.id, AlertState.CLEARED, AlertCause.RULE_REMOVED)
    house.checkpoint_twice()
    assert house.run() == ["alert"], "it has nothing more to do"
    assert len(house.alerts()) == 2


def test_a_pipeline_that_never_had_such_rules_has_no_such_stages() -> None:
    assert House().run() == ["alert"]


def test_deliveries_come_after_the_stages_that_clear() -> None:
    house = House()
    house.run(CLOCK, HALL)
    settings = Settings.model_validate({"sensors": {"names": ["a"]}, "destinations": [{"name": "log", "kind": "console"}]})
    stages = with_left_over(house.broker, settings, ALERT, build_stages(settings, ALERT))
    assert [stage.name for stage in stages] == ["alert", "alert.clocks", "alert.groups", "notify.log"]

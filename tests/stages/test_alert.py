"""The alert stage on records: what it publishes, rejects, remembers by partition and lets be committed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.brokers.protocol import Message, Record
from pipeline.core.alert_rules import AlertRule
from pipeline.records import Alert, AlertState, CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary
from pipeline.stages.alert import AlertStage, AlertTopics, prediction_alerts
from pipeline.stages.protocol import Handover
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import encode_prediction
from tests.support.alert_rules import threshold_rule

TOPICS = AlertTopics("predictions", "alerts", "rejected")
WEAR = threshold_rule("wear", "rul", below=20, needed=2, of=3)
NOW = 1_767_225_600_000


def alert_stage(*rules: AlertRule, partitions: Sequence[int] = (0,)) -> AlertStage:
    stage = prediction_alerts(TOPICS, rules or (WEAR,))
    for partition in partitions:
        stage.assign(Handover(partition, 0, writer="first"))
    return stage


def prediction_of(device: str, number: int, rul: float) -> Prediction:
    """Of the device's window `number`, one each minute."""
    start = 60_000 * number
    return Prediction(
        id=f"prediction-{device}-{number}",
        device=device,
        window=WindowSummary(f"window-{device}-{number}", start, start + 1, 2, CloseReason.GAP, True, 0, 0, 0),
        outputs={"rul": rul},
        model=ModelIdentity("pump", "1", "0" * 64, "keras"),
        source=Source("readings", 0, 2 * number, 2 * number + 1, start, start + 1),
        padded_to=8,
        times=PredictionTimes(start + 1, start + 2),
    )


def record(offset: int, key: bytes | None, value: bytes | None, partition: int = 0) -> Record:
    return Record("predictions", partition, offset, NOW, key, value)


def records_of(predictions: Sequence[Prediction], partition: int = 0) -> list[Record]:
    return [
        record(offset, prediction.device.encode(), encode_prediction(prediction), partition)
        for offset, prediction in enumerate(predictions)
    ]


def worn_out(device: str = "pump") -> list[Prediction]:
    return [prediction_of(device, number, rul) for number, rul in enumerate([80, 15, 12, 40, 50])]


def alerts_in(messages: Sequence[Message]) -> list[Alert]:
    return [decode_alert(message.value) for message in messages if message.topic == "alerts" and message.value is not None]


def test_alerts_are_published_under_the_device_as_key() -> None:
    messages = alert_stage().step(records_of(worn_out()), NOW)
    assert [(message.topic, message.key) for message in messages] == [("alerts", b"pump"), ("alerts", b"pump")]
    raised, cleared = alerts_in(messages)
    assert (raised.state, raised.since, raised.predictions) == (AlertState.RAISED, 120_001, ("prediction-pump-1", "prediction-pump-2"))
    assert (cleared.state, cleared.time, cleared.id) == (AlertState.CLEARED, 240_001, raised.id)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"pump", None, b"json"),
        (b"pump", b"", b"json"),
        (b"pump", b"{", b"json"),
        (b"pump", b"[" * 100_000, b"json"),
        (b"pump", b"{}", b"schema"),
        (b"pump", b'{"id": "x", "device": 7}', b"schema"),
        (b"fan", encode_prediction(prediction_of("pump", 0, 10)), b"key"),
        (None, encode_prediction(prediction_of("pump", 0, 10)), b"key"),
    ],
    ids=["null", "empty", "cut off", "too deep", "no fields", "a wrong type", "another key", "no key"],
)
def test_what_is_no_prediction_is_rejected_as_it_came_and_the_rest_is_judged(key: bytes | None, value: bytes | None, reason: bytes) -> None:
    stage = alert_stage()
    good = records_of(worn_out())
    bad = record(2, key, value)
    moved = [record(3, good[2].key, good[2].value)]
    messages = stage.step([*good[:2], bad, *moved], NOW)
    rejected, raised = messages
    assert (rejected.topic, rejected.key, rejected.value) == ("rejected", key, value)
    headers = dict(rejected.headers)
    assert headers["reason"] == reason
    assert headers["source.offset"] == b"2"
    assert [alert.state for alert in alerts_in([raised])] == [AlertState.RAISED]
    assert stage.counts()[f"rejected_{reason.decode()}"] == 1
    assert stage.counts()["received"] == 4


def test_a_record_without_key_and_value_is_passed_over() -> None:
    stage = alert_stage()
    assert stage.step([record(0, None, None), record(1, b"", None)], NOW) == []
    assert stage.counts()["ignored"] == 2
    assert stage.checkpoint(0).position.offset == 2


def test_a_checkpoint_saves_the_devices_that_have_changed_and_the_next_owner_goes_on_from_it() -> None:
    stage = alert_stage()
    pump = records_of(worn_out())
    first = stage.step(pump[:2], NOW)
    checkpoint = stage.checkpoint(0)
    assert checkpoint.position.offset == 2
    assert len(checkpoint.writes) == 1
    assert stage.checkpoint(0).writes == [], "nothing has changed since"
    state = [Record("state", 0, 0, NOW, write.key, write.value) for write in checkpoint.writes]
    heir = prediction_alerts(TOPICS, (WEAR,))
    heir.assign(Handover(0, 2, checkpoint.position, state, "second"))
    assert [*first, *heir.step(pump[2:], NOW)] == alert_stage().step(pump, NOW)


def test_without_a_rule_nothing_is_saved() -> None:
    stage = prediction_alerts(TOPICS, ())
    stage.assign(Handover(0, 7, writer="first"))
    stage.step([record(7, b"pump", encode_prediction(prediction_of("pump", 0, 1)))], NOW)
    assert stage.checkpoint(0).position.offset == 8
    assert stage.checkpoint(0).writes == []


def test_a_partition_that_comes_back_is_read_from_the_start_and_gives_the_same_alerts() -> None:
    stage = alert_stage(partitions=(0, 1))
    pump, fan = records_of(worn_out("pump")), records_of(worn_out("fan"), partition=1)
    first = stage.step([*pump, *fan[:3]], NOW)
    stage.revoke(0)
    stage.assign(Handover(0, 0, writer="second"))
    assert stage.step(pump, NOW) == first[:2]
    assert [alert.state for alert in alerts_in(stage.step(fan[3:], NOW))] == [AlertState.CLEARED]


def test_an_open_episode_is_not_closed_by_draining_and_asks_for_no_tick() -> None:
    stage = alert_stage()
    stage.step(records_of(worn_out())[:3], NOW)
    assert stage.drain(0, NOW) == ()
    assert stage.tick(0) is None
    assert [alert.state for alert in alerts_in(stage.step(records_of(worn_out())[3:], NOW))] == [AlertState.CLEARED]


RULS = st.lists(st.sampled_from([10.0, 25.0, 80.0]), max_size=20)


@settings(deadline=None)
@given(RULS, RULS, st.lists(st.integers(0, 40), max_size=5))
def test_how_records_are_cut_into_steps_makes_no_difference(pump: list[float], fan: list[float], cuts: list[int]) -> None:
    predictions = [prediction_of("pump", number, rul) for number, rul in enumerate(pump)]
    predictions += [prediction_of("fan", number, rul) for number, rul in enumerate(fan)]
    records = records_of(predictions)
    at_once = alert_stage().step(records, NOW)
    stage = alert_stage()
    bounds = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    in_chunks = [message for begin, end in pairwise(bounds) for message in stage.step(records[begin:end], NOW)]
    assert in_chunks == list(at_once)

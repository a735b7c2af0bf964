"""Alerter and notifier killed twice while the receiver is away: every episode arrives, in order, under one id.

SENSORLINE_OUTAGE_SECONDS is how long the receiver is away, 8 unless given.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest

from pipeline.brokers.protocol import Message
from pipeline.core.alerting import AlertMachine
from pipeline.records import AlertCause, AlertState, Prediction
from pipeline.wire.predictions import encode_prediction
from tests.e2e.conftest import StartPipeline
from tests.support.alert_rules import prediction_of, threshold_rule
from tests.support.broker_logs import publish
from tests.support.commands import Running, eventually
from tests.support.pipelines import Pipeline
from tests.support.receiver import REFUSED, TAKEN, Receiver

SECTIONS = """[sensors]
names = ["temperature"]
[[alerts]]
name = "wear"
output = "rul"
below = 20
[[destinations]]
name = "ops"
kind = "webhook"
url = "{url}"
secret = "s3cret"
backoff = "20ms"
longest_backoff = "200ms"
[[destinations]]
name = "dead"
kind = "webhook"
url = "http://127.0.0.1:{dead}/"
backoff = "20ms"
longest_backoff = "200ms"
"""
OUTAGE_S = float(os.environ.get("SENSORLINE_OUTAGE_SECONDS", "8"))
PATIENCE_S = 60
DEVICES = [f"pump-{number}" for number in range(5)]
PARTS = 3
WINDOWS = 8  # of a device, in a part


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """It is away at first."""
    away = Receiver()
    yield away
    away.close()


def part_of(part: int) -> list[Prediction]:
    """Each device crosses the bound with every window but one."""
    windows = range(part * WINDOWS, (part + 1) * WINDOWS)
    return [prediction_of(device, window, 10.0 if (window % 4) < 2 else 80.0) for window in windows for device in DEVICES]


def expected(predictions: Sequence[Prediction]) -> dict[str, list[str]]:
    """The keys of each device's alerts in order, by a machine that nobody kills."""
    machine = AlertMachine([threshold_rule("wear", "rul", below=20)])
    keys: dict[str, list[str]] = {device: [] for device in DEVICES}
    for prediction in predictions:
        for alert in machine.judge(prediction):
            keys[alert.device].append(f"{alert.id}-{alert.state}")
    return keys


def arrived(receiver: Receiver) -> dict[str, list[str]]:
    """The keys that were taken of each device, in the order of their first coming."""
    keys: dict[str, list[str]] = {device: [] for device in DEVICES}
    for request in list(receiver.taken):
        if request.key not in keys[request.alert.device]:
            keys[request.alert.device].append(request.key)
    return keys


def episodes(receiver: Receiver) -> dict[tuple[str, str, int], set[str]]:
    """By device, rule and number of an episode: the ids under which it was taken."""
    ids: dict[tuple[str, str, int], set[str]] = {}
    for request in list(receiver.taken):
        ids.setdefault((request.alert.device, request.alert.rule, request.alert.number), set()).add(request.alert.id)
    return ids


def start(pipeline: Pipeline, predictions: Sequence[Prediction]) -> tuple[Running, Running]:
    """Alerter and notifier, and something to judge."""
    both = (
        pipeline.start("alert", broker__kafka__session_timeout_ms="3000"),
        pipeline.start("notify", broker__kafka__session_timeout_ms="3000"),
    )
    topic = pipeline.settings.topics.predictions
    publish(pipeline.broker, *[Message(topic, it.device.encode(), encode_prediction(it)) for it in predictions])
    return both


def await_tries(both: tuple[Running, Running]) -> None:
    """Returns when the notifier was in vain at the receiver."""
    eventually(lambda: "notify.ops: alert" in both[1].said, PATIENCE_S, lambda: [it.said for it in both])


def test_every_episode_arrives_in_order_under_one_id_after_an_outage_in_which_all_is_killed_twice(
    start_pipeline: StartPipeline, receiver: Receiver, record_property: Callable[[str, object], None]
) -> None:
    pipeline = start_pipeline(SECTIONS.format(url=receiver.url, dead=Receiver().port))
    parts = [part_of(part) for part in range(PARTS)]
    wanted = expected([prediction for part in parts for prediction in part])

    began = time.monotonic()
    for part in parts[:2]:
        both = start(pipeline, part)
        await_tries(both)
        for process in both:
            process.kill()
    both = start(pipeline, parts[2])
    await_tries(both)
    eventually(lambda: time.monotonic() - began >= OUTAGE_S, OUTAGE_S + PATIENCE_S)
    assert receiver.taken == []

    number = count()
    receiver.answer = lambda _: TAKEN if next(number) % 3 == 0 else REFUSED
    receiver.open()
    eventually(lambda: arrived(receiver) == wanted, PATIENCE_S, lambda: (arrived(receiver), wanted, [it.said for it in both]))
    assert [process.interrupt() for process in both] == [0, 0], "also with a destination that is dead"

    assert len(episodes(receiver)) == sum(map(len, wanted.values())) // 2 == len(DEVICES) * 2 * PARTS
    assert all(len(ids) == 1 for ids in episodes(receiver).values())
    record_property("episodes", len(episodes(receiver)))
    record_property("deliveries", len(receiver.taken))
    record_property("repeats", len(receiver.taken) - sum(map(len, wanted.values())))
    record_property("refused when it was back", len(receiver.refused))


def test_a_notifier_killed_while_it_delivers_delivers_the_rest_and_repeats_under_the_same_key(
    start_pipeline: StartPipeline, receiver: Receiver
) -> None:
    pipeline = start_pipeline(SECTIONS.format(url=receiver.url, dead=Receiver().port))
    wanted = expected(part_of(0))
    number = count()
    receiver.answer = lambda _: TAKEN if next(number) % 3 == 0 else REFUSED
    receiver.open()
    both = start(pipeline, part_of(0))
    eventually(lambda: len(receiver.taken) > 3, PATIENCE_S, lambda: [it.said for it in both])
    both[1].kill()
    pipeline.start("notify", "ops", broker__kafka__session_timeout_ms="3000")
    eventually(lambda: arrived(receiver) == wanted, PATIENCE_S, lambda: (arrived(receiver), wanted))


def test_the_receiver_is_told_that_an_episode_ended_with_its_rule(start_pipeline: StartPipeline, receiver: Receiver) -> None:
    receiver.open()
    pipeline = start_pipeline(SECTIONS.format(url=receiver.url, dead=receiver.port))
    alerter, _ = start(pipeline, [prediction_of(device, 0, 10.0) for device in DEVICES])
    eventually(lambda: len(ids(receiver, AlertState.RAISED)) == len(DEVICES), PATIENCE_S, lambda: alerter.said)
    assert alerter.interrupt() == 0

    configuration = pipeline.folder / "sensorline.toml"
    configuration.write_text(configuration.read_text().replace('name = "wear"', 'name = "worn"'))
    for _ in range(2):
        alerter = pipeline.start("alert", broker__kafka__session_timeout_ms="3000")
        eventually(lambda: len(ids(receiver, AlertState.CLEARED)) == len(DEVICES), PATIENCE_S)
        alerter.await_partitions(pipeline.partitions)
        assert alerter.interrupt() == 0
    assert ids(receiver, AlertState.CLEARED) == ids(receiver, AlertState.RAISED)
    assert {it.alert.cause for it in receiver.taken if it.alert.state is AlertState.CLEARED} == {AlertCause.RULE_REMOVED}
    assert len(pipeline.alerts()) == 2 * len(DEVICES), "once, also at the next start"


def ids(receiver: Receiver, state: AlertState) -> set[str]:
    return {request.alert.id for request in list(receiver.taken) if request.alert.state is state}


def test_what_is_delivered_is_delivered_once_where_nothing_fails(start_pipeline: StartPipeline, receiver: Receiver) -> None:
    receiver.open()
    pipeline = start_pipeline(SECTIONS.format(url=receiver.url, dead=receiver.port))
    predictions = part_of(0)
    topic = pipeline.settings.topics.predictions
    publish(pipeline.broker, *[Message(topic, it.device.encode(), encode_prediction(it)) for it in predictions])
    pipeline.succeeds("run", "alert", "notify", "--until-end")
    pipeline.succeeds("notify", "ops", "--until-end")
    wanted = sorted(key for keys in expected(predictions).values() for key in keys)
    assert sorted(request.key for request in receiver.taken) == sorted([*wanted, *wanted]), "once to each of two destinations"

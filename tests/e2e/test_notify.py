"""Alerter and notifier killed twice while the receiver is away, refuses, and comes back: every episode arrives, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from pipeline.brokers.protocol import Message
from pipeline.core.alerting import AlertMachine
from pipeline.records import Prediction
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
longest_backoff = "100ms"
[[destinations]]
name = "dead"
kind = "webhook"
url = "http://127.0.0.1:{dead}/"
backoff = "20ms"
longest_backoff = "100ms"
"""
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


def start(pipeline: Pipeline, predictions: Sequence[Prediction]) -> tuple[Running, Running]:
    """Alerter and notifier, and something to judge."""
    both = (
        pipeline.start("alert", broker__kafka__session_timeout_ms="3000"),
        pipeline.start("notify", broker__kafka__session_timeout_ms="3000"),
    )
    topic = pipeline.settings.topics.predictions
    publish(pipeline.broker, *[Message(topic, it.device.encode(), encode_prediction(it)) for it in predictions])
    return both


def test_every_episode_arrives_in_order_whatever_is_killed_or_away(start_pipeline: StartPipeline, receiver: Receiver) -> None:
    pipeline = start_pipeline(SECTIONS.format(url=receiver.url, dead=Receiver().port))
    parts = [part_of(part) for part in range(PARTS)]
    wanted = expected([prediction for part in parts for prediction in part])

    both = start(pipeline, parts[0])
    eventually(lambda: both[1].said.count("notify.ops: alert") > 0, PATIENCE_S, lambda: [it.said for it in both])
    for process in both:
        process.kill()
    assert receiver.taken == []

    number = count()
    receiver.answer = lambda _: TAKEN if next(number) % 3 == 0 else REFUSED
    receiver.open()
    both = start(pipeline, parts[1])
    eventually(lambda: len(receiver.taken) > 3, PATIENCE_S, lambda: [it.said for it in both])
    for process in both:
        process.kill()

    both = start(pipeline, parts[2])
    eventually(lambda: arrived(receiver) == wanted, PATIENCE_S, lambda: (arrived(receiver), wanted, [it.said for it in both]))
    assert [process.interrupt() for process in both] == [0, 0], "also with a destination that is dead"
    assert len(wanted["pump-0"]) == 2 * 2 * PARTS


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

"""`sensorline explain` on the demo: from any of its predictions back to the readings in the log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.brokers.protocol import Broker
from pipeline.brokers.reading import read_now
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Configuration, load
from pipeline.explanation import ExplainedStep, explain
from pipeline.records import Prediction
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from tests.demo.conftest import Shown, environment

EVERY = 20  # of the demo's some hundreds of predictions: one in so many


@pytest.fixture(scope="module")
def chosen(shown: Shown) -> Configuration:
    return load(shown.made / "sensorline.toml", {})


@pytest.fixture(scope="module")
def broker(chosen: Configuration) -> Iterator[Broker]:
    opened = open_broker(parse_url(chosen.settings.broker.url, chosen.folder), SystemClock())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def predictions(broker: Broker, chosen: Configuration) -> list[Prediction]:
    topic = chosen.settings.topics.predictions
    return [decode_prediction(record.value) for record in read_now(broker, topic, broker.end_offsets(topic)) if record.value]


def merged(step: ExplainedStep) -> dict[str, float]:
    """What the step's readings say together: of each sensor the later in the log."""
    return {sensor: value for reading in step.readings for sensor, value in reading.values.items()}


def test_every_step_is_the_readings_it_came_from(broker: Broker, chosen: Configuration, predictions: list[Prediction]) -> None:
    sensors = chosen.settings.sensors
    decoder = ReadingDecoder(sensors.names, sensors.codes)
    for prediction in predictions[::EVERY]:
        found = explain(broker, chosen.settings.topics.names(), decoder, prediction.id)
        assert (found.prediction, found.missing) == (prediction, ())
        assert found.window is not None
        assert len(found.window.steps) == prediction.window.length
        for step in found.window.steps:
            assert merged(step) == {sensor: value for sensor, value in step.values.items() if value is not None}
        spacing = [step.since_previous for step in found.window.steps]
        assert spacing[0] is None
        assert all(distance is not None and distance > 0 for distance in spacing[1:])


def test_a_prediction_that_raised_an_alert_leads_to_it(broker: Broker, chosen: Configuration, shown: Shown) -> None:
    (alert, *_) = [json.loads(line) for line in sensorline(shown, "tail", "alerts", "--from-start", "--until-end").splitlines()]
    text = sensorline(shown, "explain", alert["predictions"][-1])
    assert f"Alert {alert['rule']} raised" in text
    assert alert["id"] in text
    found = json.loads(sensorline(shown, "explain", alert["predictions"][-1], "--json"))
    assert alert["id"] in {named["id"] for named in found["alerts"]}
    for step in found["window"]["steps"]:
        for reading in step["readings"]:
            assert f"offset {reading['offset']}" in text


def test_a_prediction_that_never_was_is_an_error_in_one_sentence(shown: Shown) -> None:
    done = run(shown, "explain", "0" * 32)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: prediction {'0' * 32} is not on topic ")


def run(shown: Shown, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in environment().items() if not name.startswith("SENSORLINE_")}
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.run(command, cwd=shown.made, env=settings, capture_output=True, text=True, timeout=60, check=False)


def sensorline(shown: Shown, *arguments: str) -> str:
    done = run(shown, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout

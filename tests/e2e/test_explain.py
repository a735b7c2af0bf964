"""The chain of a prediction, on every broker, and what is said of its parts that retention has removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.brokers.protocol import Broker, Message
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock
from pipeline.config import Settings
from pipeline.errors import SensorlineError
from pipeline.explanation import Explanation, explain
from pipeline.records import Prediction, Reading, Window
from pipeline.wire.alerts import encode_alert
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import window_times
from tests.support.broker_logs import publish
from tests.support.flows import Flow, own_settings
from tests.support.shown import alert_of, prediction_of

SENSORS = {"names": ["temperature", "vibration"]}
WINDOW = {"gap": "10s", "max_ahead": "none"}
READINGS = [
    Reading("pump", 1_000, {"temperature": 20.5, "vibration": 0.5}, 1_000),
    Reading("fan", 1_500, {"temperature": 1.0}, 1_500),
    Reading("pump", 4_000, {"temperature": 21.5}, 4_000),
    Reading("pump", 4_000, {"vibration": 0.75}, 4_100),
    Reading("pump", 9_000, {"vibration": 0.25}, 9_000),
    Reading("pump", 60_000, {"temperature": 30.0}, 60_000),
]


def score(flow: Flow) -> tuple[Window, Prediction]:
    """Publishes a prediction of each window, and twice an alert for the first of the pump, which is given back."""
    windows = flow.windows()
    first = min((window for window in windows if window.device == "pump"), key=lambda window: window.start)
    topics = flow.settings.topics
    for window in windows:
        made = prediction_of(window, 0.9, padding=2)
        publish(flow.broker, Message(topics.predictions, window.device.encode(), encode_prediction(made)))
    ours = prediction_of(first, 0.9, padding=2)
    alert = Message(topics.alerts, b"pump", encode_alert(alert_of(ours)))
    publish(flow.broker, alert, alert)
    return first, ours


def explained(broker: Broker, settings: Settings, prediction: Prediction) -> Explanation:
    return explain(broker, settings.topics.names(), ReadingDecoder(settings.sensors.names), prediction.id)


def test_a_prediction_leads_to_its_alert_its_window_and_each_of_its_readings(connect: Callable[[], Broker]) -> None:
    flow = Flow.begin(connect, own_settings(sensors=SENSORS, window=WINDOW))
    flow.replay(READINGS, None, 100)
    window, prediction = score(flow)

    found = explained(flow.broker, flow.settings, prediction)

    assert found.prediction == prediction
    assert found.missing == ()
    assert [(alert.device, alert.rule) for alert in found.alerts] == [("pump", "worn")]
    assert found.window is not None
    assert (found.window.padding, found.window.merged, found.window.unobserved) == (2, 1, 1)
    assert tuple(step.time for step in found.window.steps) == window_times(window) == (1_000, 4_000, 9_000)
    assert [step.since_previous for step in found.window.steps] == [None, 3_000, 5_000]
    assert found.window.steps[1].values == {"temperature": 21.5, "vibration": 0.75}
    assert [[reading.values for reading in step.readings] for step in found.window.steps] == [
        [{"temperature": 20.5, "vibration": 0.5}],
        [{"temperature": 21.5}, {"vibration": 0.75}],
        [{"vibration": 0.25}],
    ]
    arrivals = [reading.arrival for step in found.window.steps for reading in step.readings]
    assert arrivals == [1_000, 4_000, 4_100, 9_000]


def test_a_window_that_is_gone_is_said_to_be(connect: Callable[[], Broker]) -> None:
    flow = Flow.begin(connect, own_settings(sensors=SENSORS, window=WINDOW))
    flow.replay(READINGS, None, 100)
    _, prediction = score(flow)
    elsewhere = {**flow.settings.topics.names(), "windows": flow.settings.topics.rejected}
    found = explain(flow.broker, elsewhere, ReadingDecoder(flow.settings.sensors.names), prediction.id)
    assert found.window is None
    assert len(found.alerts) == 1
    assert found.missing == (
        f"Window {prediction.window.id} is not on topic {elsewhere['windows']} any more: retention has removed it, and with it its steps.",
    )


def test_readings_that_are_gone_are_said_to_be_and_the_steps_are_still_there(tmp_path: Path) -> None:
    clock = ManualClock(1_000_000)
    settings = own_settings(1, sensors=SENSORS, window=WINDOW)
    kept = settings.topics.model_copy(update={"retention_ms": None})
    flow = Flow.begin(lambda: SqliteBroker(tmp_path / "log.db", clock), settings.model_copy(update={"topics": kept}))
    readings = settings.topics.readings
    flow.broker.delete_topic(readings)
    flow.broker.create_topic(msgspec.structs.replace(settings.topics.all()[0], retention_ms=60_000))
    flow.replay(READINGS, None, 100)
    _, prediction = score(flow)
    publisher = flow.broker.publisher()
    clock.advance(180_000)
    publisher.send(Message(readings, b"later", b"{}"))
    publisher.flush()
    assert flow.broker.start_offsets(readings)[0] > prediction.source.last_offset, "retention has done its work"

    found = explained(flow.broker, flow.settings, prediction)

    assert found.window is not None
    assert [step.values["vibration"] for step in found.window.steps] == [0.5, 0.75, 0.25]
    assert all(step.readings == () for step in found.window.steps)
    (sentence,) = found.missing
    assert sentence.startswith("Readings before offset ")
    assert sentence.endswith("are not in the log any more: retention has removed them.")


def test_a_prediction_that_was_never_made_is_an_error(connect: Callable[[], Broker]) -> None:
    flow = Flow.begin(connect, own_settings(sensors=SENSORS, window=WINDOW))
    with pytest.raises(SensorlineError, match="prediction nobody is not on topic"):
        explain(flow.broker, flow.settings.topics.names(), ReadingDecoder(flow.settings.sensors.names), "nobody")

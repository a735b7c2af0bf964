"""The README's commands are typed: on a real Kafka, with a real MQTT broker, and with the files that it presupposes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.records import AlertState
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction
from producers.simulate import record_fleet
from tests.docs.conftest import OpenShell
from tests.docs.typed import ROOT, Block, Shell, blocks_of
from tests.support.broker_logs import publish, unique_name
from tests.support.models import layers, save, sequential
from tests.support.mosquitto import devices_of, running_mosquitto
from tests.support.simulated import FLEET

BLOCKS = blocks_of(ROOT / "README.md")
CREATE = Block("", "sensorline topics create\n")
SECONDS = (0, 1, 2, 40)  # of readings: the last one closes the window of those before it


def typed_under(heading: str) -> list[Block]:
    """What is typed in one section."""
    return [block for block in BLOCKS if block.heading.startswith(heading)]


def lines_of(block: Block) -> list[Block]:
    """Each line as a block of its own."""
    return [dataclasses.replace(block, text=line) for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def on_kafka(tmp_path_factory: pytest.TempPathFactory, kafka_url: str) -> Iterator[Shell]:
    """The section "On Kafka", typed once; its processes go on."""
    configuration, commands = typed_under("On Kafka")
    instead = {"kafka://localhost:9092": kafka_url}
    shell = Shell(tmp_path_factory.mktemp("readme") / "on-kafka", instead, name=unique_name("readme"))
    try:
        shell.type(configuration)
        running = shell.start(commands)
        running.until(lambda: '"state":"raised"' in running.shown)
        yield shell
    finally:
        shell.close()


@pytest.fixture
def beside(on_kafka: Shell, open_shell: OpenShell) -> Callable[..., Shell]:
    """Another folder with the same configuration and model, whose topics are its own."""

    def made(**instead: str) -> Shell:
        shell = open_shell("beside", instead=instead, name=unique_name("readme"))
        shutil.copytree(on_kafka.folder / "models", shell.folder / "models")
        shutil.copy(on_kafka.folder / "sensorline.toml", shell.folder)
        shell.type(CREATE)
        return shell

    return made


def values(second: int) -> dict[str, float]:
    return {"temperature": 60.0 + second, "vibration": 0.2, "current": 7.0}


def test_everything_is_as_it_should_be_on_kafka(on_kafka: Shell) -> None:
    running = on_kafka.typed[-1]
    items = [line.split()[0] for line in running.shown.splitlines() if line.startswith(("ok", "error", "skipped"))]
    assert len(items) > 8, running.shown
    assert set(items) == {"ok:"}, running.shown
    assert AlertState.RAISED in {alert.state for alert in on_kafka.await_items("alerts", decode_alert)}
    assert "Traceback" not in running.said


def test_devices_on_mqtt(beside: Callable[..., Shell], tmp_path: Path) -> None:
    mqtt, _, _ = typed_under("Your devices")
    shell = beside()
    with running_mosquitto(tmp_path / "mosquitto") as mosquitto:
        shell.settings = {"mqtt__port": str(mosquitto.port)}
        running = shell.start(mqtt)
        running.until(lambda: "taking messages of plant/+" in running.said)
        now_ms = round(time.time()) * 1000 - 60_000
        with devices_of(mosquitto) as devices:
            for second in SECONDS:
                devices.publish("plant/pump-7", json.dumps({"time": now_ms + second * 1000, **values(second)}))
            devices.flush()
        (prediction,) = shell.await_items("predictions", decode_prediction)
        shell.close()
    assert (prediction.device, prediction.window.length, prediction.window.start) == ("pump-7", 3, now_ms)


def test_a_topic_of_their_own_json(beside: Callable[..., Shell]) -> None:
    _, ingest, _ = typed_under("Your devices")
    topic = unique_name("machines.raw")
    shell = beside(**{"machines.raw": topic})
    broker = open_broker(parse_url(shell.configuration().settings.broker.url, shell.folder), SystemClock())
    broker.create_topic(TopicSettings(topic, 1))
    shell.start(ingest)
    bodies = [
        {"machine": {"id": "pump-7"}, "at": second * 1000, "data": {"temp": 60.0 + second, "vib": 0.2}, "current": 7.0}
        for second in SECONDS
    ]
    publish(broker, *[Message(topic, None, json.dumps(body).encode()) for body in bodies])
    (prediction,) = shell.await_items("predictions", decode_prediction)
    assert (prediction.device, prediction.window.length) == ("pump-7", 3)
    broker.delete_topic(topic)
    broker.close()


def test_a_csv_file(beside: Callable[..., Shell]) -> None:
    _, _, replay = typed_under("Your devices")
    shell = beside()
    rows = [f"pump-7,2026-01-01T08:00:{second:02}Z,{60 + second},0.2,7" for second in SECONDS]
    (shell.folder / "fleet.csv").write_text("\n".join(["device,time,temperature,vibration,current", *rows]) + "\n")
    shell.type(replay)
    lengths = [prediction.window.length for prediction in shell.await_items("predictions", decode_prediction)]
    assert lengths == [3, 1]


def test_a_model_of_yours_and_one_trained_here(open_shell: OpenShell) -> None:
    (configuration, _), (commands,) = typed_under("On Kafka"), typed_under("Your model")
    shell = open_shell()
    shell.type(configuration)
    for name, seed in (("fleet", 7), ("other", 8)):
        labels = "labels" if name == "fleet" else "other-labels"
        record_fleet(dataclasses.replace(FLEET, seed=seed), shell.folder / f"{name}.parquet", shell.folder / f"{labels}.parquet")
    save(sequential(layers.Masking(), layers.LSTM(4), layers.Dense(1, name="wear"), shape=(None, 3)), shell.folder)
    done = shell.type(commands)
    assert "bundle model 1 in models/mine, scored by ONNX Runtime" in done.said
    assert "bundle wear 1 in models/wear" in done.said
    assert "judged by all windows of 10 devices" in done.shown


def test_in_operation(on_kafka: Shell) -> None:
    (commands,) = typed_under("In operation")
    dashboard, explain, trial, backtest, record = lines_of(commands)
    prediction = on_kafka.await_items("predictions", decode_prediction)[0]
    # A port and a time of its own, as other tests run beside this one, and a minute is long.
    on_kafka.instead = {"dashboard": "dashboard --port 0", "PREDICTION_ID": prediction.id, "record ": "record --every 1s "}
    for name in ("old", "new"):
        shutil.copytree(on_kafka.folder / "models" / "wear", on_kafka.folder / "models" / name)
    page = on_kafka.start(dashboard)
    page.until(lambda: "http://127.0.0.1:" in page.said)
    assert f"Prediction {prediction.id} of {prediction.device}" in on_kafka.type(explain).shown
    assert "worn" in on_kafka.type(trial).shown
    assert "No difference in" in on_kafka.type(backtest).shown
    recording = on_kafka.start(record)
    recording.until(lambda: list(on_kafka.folder.glob("recordings/*/day=2026-01-01/*.parquet")))

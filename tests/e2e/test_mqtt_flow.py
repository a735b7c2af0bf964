"""From devices on MQTT to alerts, all as real processes on a real Kafka, each killed in turn: no reading is lost.

Readings are numbered by a value of theirs, so that each can be looked for in the windows.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.records import Window
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE
from pipeline.wire.windows import window_rows
from tests.support.commands import Running, eventually
from tests.support.models import make_contract, save, sound_model
from tests.support.mosquitto import Devices, Mosquitto, devices_of, running_mosquitto
from tests.support.pipelines import Pipeline, new_pipeline

DEVICES = 5
PER_SECOND = 100  # of all devices together
PERIOD_MS = 500  # of a device's own clock
GOES_ON_WITHIN_S = 60
SECTIONS = """[sensors]
names = ["temperature", "vibration"]
[window]
gap = "10s"
out_of_orderness = "1s"
idle_timeout = "11s"
max_length = 25
[[alerts]]
name = "any"
output = "rul"
above = -1e9
"""
Numbered = tuple[str, int]


class Fleet:
    """Devices that publish over MQTT until they are told to stop, and what they published."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._first_ms = time.time_ns() // 1_000_000
        self.sent = 0

    def _run(self) -> None:
        while not self._stop.wait(1 / PER_SECOND):
            device, number = f"d{self.sent % DEVICES}", self.sent // DEVICES
            reading = {"temperature": number, "vibration": 0.5, "time": self._first_ms - 3_600_000 + number * PERIOD_MS}
            self._devices.publish(f"plant/{device}", json.dumps(reading))
            self.sent += 1

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Until the end of the block; then the MQTT broker has all."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
        self._devices.flush()

    def all(self) -> set[Numbered]:
        """Device and number of each reading."""
        return {(f"d{place % DEVICES}", place // DEVICES) for place in range(self.sent)}


def in_windows(windows: Iterable[Window]) -> set[Numbered]:
    return {(window.device, int(row[0] or 0)) for window in windows for row in window_rows(window)}


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with running_mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def pipeline(tmp_path: Path, kafka_url: str, mosquitto: Mosquitto) -> Iterator[Pipeline]:
    """A pipeline with a model of its own, which listens to the MQTT broker."""
    bundle = tmp_path / "bundle"
    sections = (
        f'{SECTIONS}[model]\npath = "{bundle}"\n'
        f'[mqtt]\nhost = "{mosquitto.host}"\nport = {mosquitto.port}\ntopics = ["plant/{{device}}"]\ntime_field = "time"\n'
    )
    (tmp_path / "policy.toml").write_text(SECTIONS)
    policy = load(tmp_path / "policy.toml", {}).settings.window.policy()
    write_bundle(bundle, make_contract(policy), {MODEL_FILE: save(sound_model(), tmp_path / "model")})
    with ExitStack() as processes:
        yield new_pipeline(tmp_path / "pipeline", kafka_url, sections, processes)


def start(pipeline: Pipeline, command: str) -> Running:
    return pipeline.start(command, broker__kafka__session_timeout_ms="3000")


def test_each_process_killed_in_turn_loses_no_reading(pipeline: Pipeline, mosquitto: Mosquitto) -> None:
    running = {command: start(pipeline, command) for command in ("mqtt", "window", "score", "alert")}

    def said() -> list[str]:
        return [process.said[-2_000:] for process in running.values()]

    def await_more(kind: str) -> None:
        before = pipeline.count(kind)
        eventually(lambda: pipeline.count(kind) > before, GOES_ON_WITHIN_S, said)

    # What is published before the first subscription is nobody's.
    eventually(lambda: "taking messages of" in running["mqtt"].said, GOES_ON_WITHIN_S, said)
    with devices_of(mosquitto) as devices:
        fleet = Fleet(devices)
        with fleet.publishing():
            for command in running:
                await_more("predictions")
                running[command].kill()
                running[command] = start(pipeline, command)
            assert running["mqtt"].interrupt() == 0, said()
            running["mqtt"] = start(pipeline, "mqtt")
            await_more("readings")
    sent = fleet.all()
    assert len(sent) > 500
    eventually(lambda: in_windows(pipeline.windows()) >= sent, GOES_ON_WITHIN_S, lambda: (lost(pipeline, sent), said()))
    assert in_windows(pipeline.windows()) == sent

    wanted = {(window.id, window.sequence, window.revision) for window in pipeline.windows()}
    eventually(lambda: scored(pipeline) == wanted, GOES_ON_WITHIN_S, said)
    eventually(lambda: {alert.device for alert in pipeline.alerts()} == {device for device, _ in sent}, GOES_ON_WITHIN_S, said)
    assert [process.interrupt() for process in running.values()] == [0, 0, 0, 0]


def scored(pipeline: Pipeline) -> set[tuple[str, int, int]]:
    return {(it.window.id, it.window.sequence, it.window.revision) for it in pipeline.predictions()}


def lost(pipeline: Pipeline, sent: set[Numbered]) -> list[Numbered]:
    return sorted(sent - in_windows(pipeline.windows()))

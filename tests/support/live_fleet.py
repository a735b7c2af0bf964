"""A fleet that reports live to a pipeline of real processes: readings, windows, scores of a real model, alerts, rejections.

Each device has a sensor `wear`, and its model says the same as its last value: `level` = tanh(tanh(wear)). So it is known who is worst.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.brokers.protocol import Broker, Message, Publisher
from pipeline.records import Reading
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.wire.readings import encode_reading
from tests.support.beside import beside
from tests.support.commands import STARTS_WITHIN_S, Running, eventually
from tests.support.pipelines import Pipeline

SENSORS = ("wear", "temperature")
SECTIONS = """[sensors]
names = ["wear", "temperature"]
[sensors.units]
temperature = "°C"
[window]
gap = "5s"
out_of_orderness = "1s"
idle_timeout = "8s"
max_length = 8
max_behind = "1h"
[model]
path = "bundle"
[[alerts]]
name = "worn"
output = "level"
above = 0.6
[[alerts]]
name = "failing"
output = "level"
above = 0.63
"""
STAGES = 3
WORST = "pump-0007"  # the only one whose level is above both limits
PERIOD_S = 1.0  # from one reading of a device to its next
SLICES = 20  # of a period: in each a part of the devices reports
SILENT_DEVICES = 5  # the last ones, of which nothing is heard after a few readings
SILENT_AFTER = 4  # readings
REFUSED_EVERY = 5  # readings of some devices are sent with a wrong clock


def make_bundle(pipeline: Pipeline) -> None:
    """The model that looks at the last value of `wear`."""
    model: Any = keras.Sequential(
        [keras.Input((None, 2)), keras.layers.Masking(), keras.layers.LSTM(1), keras.layers.Dense(1, name="level")]
    )
    # The gates are open but for that of the memory, which forgets; the cell is told the first sensor. In the order of Keras: i, f, c, o.
    kernel = [[0, 0, 1, 0], [0, 0, 0, 0]]
    weights = [kernel, [[0, 0, 0, 0]], [10, -10, 0, 10], [[1]], [0]]
    model.set_weights([np.array(weight, np.float32) for weight in weights])
    model.save(pipeline.folder / "level.keras")
    policy = pipeline.settings.window.policy()
    bundle_model(pipeline.folder / "level.keras", pipeline.folder / "bundle", [ContractSensor(name) for name in SENSORS], policy)


def start_stages(pipeline: Pipeline) -> Running:
    """All stages in one process; returns when they have all partitions."""
    stages = pipeline.start("run")
    stages.await_partitions(STAGES * pipeline.partitions)
    return stages


def start_dashboard(pipeline: Pipeline) -> tuple[Running, str]:
    """The dashboard's process and its address."""
    dashboard = pipeline.start("dashboard", "--port", "0")
    found = eventually(lambda: re.search(r"http://127\.0\.0\.1:\d+/", dashboard.said), STARTS_WITHIN_S, lambda: dashboard.said)
    assert found is not None
    return dashboard, found.group()


def reporting(pipeline: Pipeline, devices: int) -> AbstractContextManager[None]:
    """Each device reports once in a period, until the end of the block."""

    def report(broker: Broker, stop: threading.Event) -> None:
        with closing(broker.publisher()) as publisher:
            _report(publisher, pipeline.readings, devices, stop)

    return beside(pipeline, report)


def _report(publisher: Publisher, topic: str, devices: int, stop: threading.Event) -> None:
    begun_s, turn = time.monotonic(), 0
    while not stop.wait(max(0.0, begun_s + turn * PERIOD_S / SLICES - time.monotonic())):
        number, part = divmod(turn, SLICES)
        for device in range(part, devices, SLICES):
            if device < devices - SILENT_DEVICES or number < SILENT_AFTER:
                reading = reading_of(device, number)
                publisher.send(Message(topic, reading.device.encode(), encode_reading(reading)))
        publisher.flush()
        turn += 1


def reading_of(device: int, number: int) -> Reading:
    """The reading of a device at this moment, its `number`-th: one is worst, some wear out and are repaired, some have a wrong clock."""
    wear = 1.0 if device == 7 else 0.9 if device % 100 == 7 else (device % 100) / 125
    if device % 100 == 8:
        wear = 0.9 if number // 20 % 2 else 0.3
    wrong = device % 100 == 9 and number % REFUSED_EVERY == 0
    now_ms = 5 if wrong else time.time_ns() // 1_000_000
    return Reading(f"pump-{device:04}", now_ms, {"wear": wear, "temperature": 60 + 5 * wear + number % 7 / 10 if number % 3 else None})


def cpu_s(process: Running) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(process: Running) -> float:
    """The most memory that a process has had."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1000

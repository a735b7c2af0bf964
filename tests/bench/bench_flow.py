"""End to end on a real Kafka: readings to predictions, the windower and the scorer as processes of their own.

Run it by hand: `python -m tests.bench flow`. Throughput: all readings are on the topic, the stages read them through.
Latency: readings come at a steady pace; from sending the reading that closes a window to holding the window's prediction.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.brokers.protocol import Broker, Consumer, Message, Publisher
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import load
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.wire.predictions import decode_prediction
from tests.support.kafka_server import running_kafka

SENSORS = tuple(f"sensor-{number}" for number in range(8))
CONFIGURATION = """
[broker]
url = "kafka://{address}"
[topics]
partitions = 2
[sensors]
names = {sensors}
[window]
gap = "10s"
out_of_orderness = "0s"
[model]
path = "bundle"
"""
START_MS = 1_767_225_600_000
LENGTH = 37
LIMIT_S = 240


class Flow:
    """A folder with a configuration and a bundle, topics on a Kafka, and the commands that run on them."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        (folder / "sensorline.toml").write_text(CONFIGURATION.format(address=address, sensors=list(SENSORS)))
        self.settings = load(folder / "sensorline.toml", {}).settings
        self.broker: Broker = open_broker(parse_url(f"kafka://{address}", folder), SystemClock())
        self._make_bundle()
        self.run("topics", "create")

    def run(self, *command: str) -> float:
        """Runs a command to its end; returns its seconds."""
        begin = time.perf_counter()
        subprocess.run(self._command(*command), cwd=self.folder, check=True, stderr=subprocess.DEVNULL, timeout=LIMIT_S)
        return time.perf_counter() - begin

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """Stages as processes of their own, stopped at the end."""
        processes = [subprocess.Popen(self._command(name), cwd=self.folder, stderr=subprocess.DEVNULL) for name in names]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)

    def publish(self, device: str, time_ms: int) -> Message:
        """A reading of all sensors."""
        value = {"device": device, "time": time_ms, "values": dict.fromkeys(SENSORS, 0.5)}
        return Message(self.settings.topics.readings, device.encode(), msgspec.json.encode(value))

    def _make_bundle(self) -> None:
        from pipeline.scoring.keras_engine import keras

        model = keras.Sequential([keras.Input((None, len(SENSORS))), keras.layers.Masking(), keras.layers.LSTM(64), keras.layers.Dense(1)])
        model.save(self.folder / "model.keras")
        sensors = [ContractSensor(name) for name in SENSORS]
        bundle_model(self.folder / "model.keras", self.folder / "bundle", sensors, self.settings.window.policy())

    def _command(self, *command: str) -> list[str]:
        return [sys.executable, "-m", "pipeline.cli", "--log-level", "warning", *command]


def throughput(flow: Flow, readings: int = 100_000, devices: int = 500) -> list[tuple[str, str]]:
    """Windows of about 37 steps of 500 devices."""
    publisher = flow.broker.publisher()
    begin = time.perf_counter()
    for number in range(readings):
        turn, device = divmod(number, devices)
        # Each device's sessions are LENGTH steps of one second, then a minute of silence.
        session, step = divmod(turn, LENGTH)
        publisher.send(flow.publish(f"pump-{device}", START_MS + session * (LENGTH + 60) * 1000 + step * 1000))
    publisher.flush()
    published = time.perf_counter() - begin
    publisher.close()
    windowed = flow.run("window", "--drain")
    scored = flow.run("score", "--drain")
    windows = sum(flow.broker.end_offsets(flow.settings.topics.windows).values())
    together = flow.run("run", "window", "score", "--drain", "--group", "together")
    return [
        ("publish", f"{readings / published:,.0f} readings/s"),
        ("window, process start and end included", f"{readings / windowed:,.0f} readings/s"),
        ("score, process start and end included", f"{windows / scored:,.0f} windows/s ({scored:.1f} s)"),
        ("readings to predictions, one process, start and end included", f"{readings / together:,.0f} readings/s"),
    ]


def latency(flow: Flow, windows: int = 400, per_second: int = 40) -> list[tuple[str, str]]:
    """Each device sends two readings a minute of event time apart: the second closes the window of the first."""
    reader = flow.broker.consumer(flow.settings.topics.predictions, None)
    publisher = flow.broker.publisher()
    sent: dict[str, float] = {}
    held: dict[str, float] = {}
    with flow.running("window", "score"):
        _await(flow, reader, publisher)
        for number in range(windows):
            device = f"closing-{number}"
            publisher.send(flow.publish(device, START_MS))
            publisher.send(flow.publish(device, START_MS + 60_000))
            sent[device] = time.perf_counter()
            until = time.perf_counter() + 1 / per_second
            while time.perf_counter() < until:
                _collect(reader, held, 0.001)
        deadline = time.perf_counter() + 30
        while len(sent.keys() & held.keys()) < windows and time.perf_counter() < deadline:
            _collect(reader, held, 0.1)
    delays = sorted(held[device] - sent[device] for device in sent.keys() & held.keys())
    p50, p99 = statistics.median(delays), delays[int(0.99 * len(delays))]
    return [(f"{len(delays)} windows, closing reading to prediction", f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")]


def _await(flow: Flow, reader: Consumer, publisher: Publisher) -> None:
    """Until a first window has gone all the way: the stages are up."""
    held: dict[str, float] = {}
    publisher.send(flow.publish("first", START_MS))
    publisher.send(flow.publish("first", START_MS + 60_000))
    deadline = time.perf_counter() + 90
    while "first" not in held and time.perf_counter() < deadline:
        _collect(reader, held, 1.0)
    if "first" not in held:
        raise SystemExit("the stages did not score a first window within 90 s")


def _collect(reader: Consumer, held: dict[str, float], timeout_s: float) -> None:
    for record in reader.poll(timeout_s).records:
        held.setdefault(decode_prediction(record.value or b"").device, time.perf_counter())


def main() -> None:
    """Prints a table."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as folder, running_kafka() as address:
        flow = Flow(Path(folder), address)
        table = Table("end to end on Kafka", "measured")
        for row in (*throughput(flow), *latency(flow)):
            table.add_row(*row)
        flow.broker.close()
    Console().print(table)


if __name__ == "__main__":
    main()

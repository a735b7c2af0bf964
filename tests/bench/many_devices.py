"""What the benchmarks of recovery read: a Kafka with the readings of many devices, and windowers of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from random import Random

import msgspec

from consumers.windower import windower
from pipeline.brokers.protocol import Broker, Message
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Settings, load
from pipeline.session import Session, SessionOptions

SENSORS = tuple(f"sensor-{number}" for number in range(8))
DEVICES = 10_000
STEPS = 40
CONFIGURATION = """
[broker]
url = "kafka://{address}"
[sensors]
names = {sensors}
[window]
gap = "1m"
idle_timeout = "3h"
max_length = 80
"""


class Bench:
    """A Kafka with the topics of a configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: Settings = load(folder / "sensorline.toml", {}).settings
        self.broker: Broker = open_broker(parse_url(self.settings.broker.url, folder), SystemClock())
        self.now_ms = SystemClock().now_ms()
        self._random = Random(1)
        for topic in (*self.settings.topics.all(), *self.settings.state_topics()):
            self.broker.create_topic(topic)

    @cached_property
    def readings(self) -> str:
        return self.settings.topics.readings

    @property
    def state_topic(self) -> str:
        """Of the windower's own group."""
        return self.settings.state_topics()[0].name

    def session(self, group: str, interval_ms: int) -> Session:
        """A windower in this process."""
        self.broker.create_topic(self.settings.state_topic(group, self.readings))
        options = SessionOptions(group, interval_ms)
        return Session(self.broker, windower(self.settings), options, SystemClock())

    def publish(self, messages: Iterator[Message]) -> None:
        """Returns when the log has them."""
        publisher = self.broker.publisher()
        for message in messages:
            publisher.send(message)
        publisher.flush()
        publisher.close()

    def reading(self, device: int, step: int) -> Message:
        """Of all sensors; step 0 was 80 s ago, a minute is a gap."""
        body = {
            "device": f"pump-{device}",
            "time": self.now_ms + 1_000 * (step - 80),
            "values": {sensor: self._value() for sensor in SENSORS},
        }
        return Message(self.readings, f"pump-{device}".encode(), msgspec.json.encode(body))

    def batch(self, device: int) -> Message:
        """All steps of a device in one record."""
        times = [self.now_ms + 1_000 * (step - 80) for step in range(STEPS)]
        body = {"device": f"pump-{device}", "times": times, "values": {sensor: [self._value() for _ in times] for sensor in SENSORS}}
        return Message(self.readings, f"pump-{device}".encode(), msgspec.json.encode(body))

    def _value(self) -> float:
        return round(self._random.gauss(50, 5), 2)

    def size_on_disk(self, topic: str) -> int:
        """Bytes of a topic's segments."""
        folders = (self.folder / "data").glob(f"{topic}-*")
        return sum(file.stat().st_size for folder in folders for file in folder.glob("*.log"))


def read_through(bench: Bench, session: Session) -> None:
    """To what is now the end of the readings."""
    ends = bench.broker.end_offsets(bench.readings)
    while not session.reached(ends):
        session.turn(0.1)

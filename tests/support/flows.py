"""The window stage in the test's own process on a log of any kind: for what no command line option can vary."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from consumers.windower import windower
from pipeline.brokers.protocol import Broker, Record
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.records import Reading, Window
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay
from tests.support.broker_logs import unique_name

Identity = tuple[str, int, int]


def own_settings(partitions: int = 3, **sections: Mapping[str, Any]) -> Settings:
    """A configuration whose topics no other test uses."""
    name = unique_name("flow")
    topics = {kind: f"{name}.{kind}" for kind in ("readings", "windows", "predictions", "alerts", "rejected")}
    return Settings.model_validate({"pipeline": {"name": name}, "topics": {**topics, "partitions": partitions}, **sections})


def distinct(windows: Iterable[Window]) -> list[Window]:
    """Each (id, sequence, revision) once, in the order of their first publication; those that are there twice must be equal."""
    found: dict[Identity, Window] = {}
    for window in windows:
        first = found.setdefault((window.id, window.sequence, window.revision), window)
        assert first.hash == window.hash, "two contents of one window"
    return list(found.values())


def contents(windows: Iterable[Window]) -> dict[Identity, str]:
    """The content hash of each (id, sequence, revision)."""
    return {(window.id, window.sequence, window.revision): window.hash for window in distinct(windows)}


@dataclass(frozen=True)
class Flow:
    """A window stage with its topics, which are created here."""

    connect: Callable[[], Broker]
    settings: Settings
    broker: Broker

    @classmethod
    def begin(cls, connect: Callable[[], Broker], settings: Settings) -> Flow:
        """Creates the topics."""
        broker = connect()
        for topic in (*settings.topics.all(), *settings.state_topics()):
            assert broker.create_topic(topic)
        return cls(connect, settings, broker)

    def replay(self, readings: Iterable[Reading], speed: float | None, max_records: int) -> Mapping[str, int]:
        """Replays a recording while the stage reads it, up to `max_records` at a time; returns the stage's counts at the end."""
        replayed = threading.Event()
        policy = ReplayPolicy(self.settings.window.idle_timeout_ms, speed)
        with ThreadPoolExecutor(1) as producer:
            replaying = producer.submit(
                replay, self.connect(), self.settings.topics.readings, readings, policy, Pacer(SystemClock(), threading.Event())
            )
            replaying.add_done_callback(lambda _: replayed.set())
            counts = self.run(max_records, replayed)
            replaying.result()
        return counts

    def run(self, max_records: int = 2000, upstream: threading.Event | None = None) -> Mapping[str, int]:
        """Runs the stage to the end of the readings; returns its counts."""
        stage = windower(self.settings)
        options = SessionOptions(self.settings.group("window"), max_records=max_records)
        Runner(self.connect, stage, options, SystemClock(), Finish.UNTIL_END).run(threading.Event(), upstream)
        return stage.counts()

    def records(self, kind: str) -> list[Record]:
        """The records of a topic now."""
        topic = self.settings.topics.names()[kind]
        return list(read_now(self.broker, topic, self.broker.end_offsets(topic)))

    def windows(self) -> list[Window]:
        """All windows now."""
        return [decode_window(record.value or b"") for record in self.records("windows")]

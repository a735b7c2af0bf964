"""A pipeline in memory whose dashboard is served by the test's own process, on a broker that can be taken away."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec

from consumers.dashboard import dashboard
from consumers.windower import windower
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.dashboard.access import Access
from pipeline.dashboard.reader import Back
from pipeline.dashboard.server import listen, serve
from pipeline.errors import BrokerUnreachable, Transient
from pipeline.records import Reading, Window
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.wire.alerts import encode_alert
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.readings import encode_reading
from pipeline.wire.windows import decode_window
from tests.support.broker_logs import publish
from tests.support.shown import alert_of, prediction_of

SETTINGS = Settings.model_validate(
    {
        "sensors": {"names": ["temperature", "vibration"], "units": {"temperature": "°C"}},
        "window": {"gap": "10s", "out_of_orderness": "2s", "idle_timeout": "60s", "max_length": 16, "max_behind": "1h"},
        "alerts": [{"name": "worn", "output": "wear", "above": 0.8}],
        "topics": {"partitions": 2},
    }
)
STOPS_WITHIN_S = 15


class AwayBroker(MemoryBroker):
    """A broker in memory that does not answer while `away` is set."""

    def __init__(self, log: MemoryLog, away: threading.Event) -> None:
        if away.is_set():
            raise BrokerUnreachable("no broker at log.example:9092")
        super().__init__(log)
        self._away = away

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        if self._away.is_set():
            raise Transient("log.example:9092 does not answer")
        return super().end_offsets(topic)


@dataclass
class House:
    """A log in memory, what is published to it, and whether its broker is away."""

    log: MemoryLog
    away: threading.Event
    settings: Settings = SETTINGS

    @classmethod
    def build(cls, settings: Settings = SETTINGS) -> House:
        """With its topics, and nothing on them."""
        house = cls(MemoryLog(SystemClock()), threading.Event(), settings)
        for topic in (*house.settings.topics.all(), *house.settings.state_topics()):
            house.broker().create_topic(topic)
        return house

    def broker(self) -> MemoryBroker:
        """A connection of the test's own, which is never away."""
        return MemoryBroker(self.log)

    def connect(self) -> AwayBroker:
        """A connection of the dashboard's."""
        return AwayBroker(self.log, self.away)

    def publish(self, *readings: Reading) -> None:
        """Live readings."""
        topic = self.settings.topics.readings
        publish(self.broker(), *[Message(topic, reading.device.encode(), encode_reading(reading)) for reading in readings])

    def cut(self) -> list[Window]:
        """Closes all windows by the real stage, and gives those that are new."""
        topic = self.settings.topics.windows
        begun = self.broker().end_offsets(topic)
        options = SessionOptions(self.settings.group("window"))
        Runner(self.broker, windower(self.settings), options, SystemClock(), Finish.DRAIN).run(threading.Event())
        records = list(read_now(self.broker(), topic, begun))
        return [decode_window(record.value or b"") for record in records if record.offset >= begun[record.partition]]

    def score(
        self,
        windows: Sequence[Window],
        wear: Mapping[str, float],
        weights: Mapping[str, tuple[float, ...]] | None = None,
        rule: str = "worn",
        per_step: str = "attention",
    ) -> None:
        """Predictions of the windows by device, and an alert for each device above the limit; `weights` of steps by device."""
        topics, messages = self.settings.topics, []
        for window in windows:
            prediction = prediction_of(window, wear[window.device], padding=3)
            if weights and window.device in weights:
                prediction = msgspec.structs.replace(prediction, steps={per_step: weights[window.device]})
            messages.append(Message(topics.predictions, window.device.encode(), encode_prediction(prediction)))
            if wear[window.device] > 0.8:
                messages.append(Message(topics.alerts, window.device.encode(), encode_alert(alert_of(prediction, rule=rule))))
        publish(self.broker(), *messages)


@contextmanager
def serving(house: House, access: Access | None = None, back: Back | None = None) -> Iterator[str]:
    """The dashboard's address."""
    stop = threading.Event()
    app, reader = dashboard(house.settings, house.connect, back or Back(), access or Access(None), stop)
    with ExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        thread = threading.Thread(target=serve, args=(app, listening, reader.run, stop))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            stop.set()
            thread.join(STOPS_WITHIN_S)
            assert not thread.is_alive(), "the dashboard does not stop"

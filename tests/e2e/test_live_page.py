"""What feeds the live page follows the topics of every broker, old records first, each record once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from pipeline.brokers.protocol import Broker, Message, Record
from pipeline.clock import SystemClock
from pipeline.dashboard.reader import Back, LogReader
from tests.support.broker_logs import publish
from tests.support.commands import eventually
from tests.support.flows import Flow, own_settings

WITHIN_S = 30


def test_every_record_comes_once_whether_it_was_there_before_or_not(connect: Callable[[], Broker]) -> None:
    flow = Flow.begin(connect, own_settings(sensors={"names": ["temperature"]}))
    names = flow.settings.topics.names()
    seen: Counter[tuple[str, bytes | None]] = Counter()

    def take(kind: str, records: Sequence[Record]) -> None:
        seen.update((kind, record.value) for record in records)

    def send(number: int) -> None:
        messages = [Message(topic, b"device-%d" % key, b"%d.%d" % (number, key)) for topic in names.values() for key in range(20)]
        publish(flow.broker, *messages)

    send(0)
    stop = threading.Event()
    reader = LogReader(connect, names, take, Back(), SystemClock())
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: len(seen) == 100, WITHIN_S, lambda: reader.status)
        for number in (1, 2, 3):
            send(number)
        eventually(lambda: len(seen) == 400, WITHIN_S, lambda: reader.status)
    finally:
        stop.set()
        thread.join(WITHIN_S)
    assert set(seen.values()) == {1}
    assert reader.status.connected
    assert reader.status.error is None

"""What is open of one device may be much more than one message carries, and outlives its windower all the same."""

from __future__ import annotations

import json
from collections.abc import Callable

from pipeline.brokers.protocol import Broker, Message
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config.sections import MAX_MESSAGE_BYTES
from tests.support.flows import Flow, own_settings

STEPS = 30_000
BATCH = 5_000
LATER_MS = 60_000


def steps(now_ms: int, first: int, count: int, topic: str) -> Message:
    times = [now_ms + number for number in range(first, first + count)]
    return Message(topic, b"d", json.dumps({"device": "d", "times": times, "values": {"a": [1.0] * count}}).encode())


def test_a_session_near_its_cap_goes_on_after_a_restart(connect: Callable[[], Broker]) -> None:
    settings = own_settings(1, sensors={"names": ("a",)}, window={"gap": "20s", "max_length": 40_000})
    flow = Flow.begin(connect, settings)
    topic, now_ms = settings.topics.readings, SystemClock().now_ms()
    publisher = flow.broker.publisher()
    for first in range(0, STEPS, BATCH):
        publisher.send(steps(now_ms, first, BATCH, topic))
    publisher.flush()
    flow.run()
    state = settings.state_topics()[0].name
    assert max(len(record.value or b"") for record in read_now(flow.broker, state, [0])) > MAX_MESSAGE_BYTES
    publisher.send(steps(now_ms, STEPS + LATER_MS, 1, topic))
    publisher.flush()
    flow.run()
    assert [window.length for window in flow.windows()] == [STEPS]

"""Fixtures of the producers' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import TopicSettings
from pipeline.clock import ManualClock
from tests.producers.bench import NOW_MS, PARTITIONS, TOPIC, Bench, Hand


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock = ManualClock(NOW_MS)
    broker = MemoryBroker(MemoryLog(clock))
    broker.create_topic(TopicSettings(TOPIC, PARTITIONS, max_message_bytes=1_000))
    yield Bench(clock, broker, Hand(clock))
    broker.close()

"""Fixtures of the producers' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.clock import ManualClock
from tests.producers.bench import NOW_MS, Bench, Hand


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock = ManualClock(NOW_MS)
    broker = MemoryBroker(MemoryLog(clock))
    bench = Bench(clock, broker, Hand(clock))
    bench.create()
    yield bench
    broker.close()

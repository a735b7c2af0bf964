"""Fixtures of the producers' tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture
def cmapss_folder() -> Path:
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("SENSORLINE_DATA", root.parent / "shared" / "data")) / "cmapss"
    if not folder.is_dir():
        pytest.skip(f"no C-MAPSS files in {folder}: set SENSORLINE_DATA to the folder of data sets")
    return folder

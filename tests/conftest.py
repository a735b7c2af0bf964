"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.brokers.memory import MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from tests.support.kafka_jars import KafkaUnavailable
from tests.support.kafka_server import running_kafka


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """A Kafka for the whole session: the one in SENSORLINE_TEST_KAFKA (host:port), else one started here.

    Where neither is possible the test is skipped; under CI=true that is a failure.
    """
    given = os.environ.get("SENSORLINE_TEST_KAFKA")
    with ExitStack() as stack:
        try:
            address = given or stack.enter_context(running_kafka())
        except KafkaUnavailable as reason:
            without_kafka(str(reason))
        yield f"kafka://{address}"


@pytest.fixture(params=["memory", "sqlite", "kafka"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Broker]]:
    """Opens connections to one log, which are closed at the end of the test."""
    embedded = {"memory": "memory://", "sqlite": "sqlite:///log.db"}
    url = parse_url(embedded.get(request.param) or request.getfixturevalue("kafka_url"), tmp_path)
    clock = SystemClock()
    memory = MemoryLog(clock)
    with ExitStack() as connections:

        def opened() -> Broker:
            broker = open_broker(url, clock, memory)
            connections.callback(broker.close)
            return broker

        yield opened


@pytest.fixture(scope="session")
def cmapss_folder() -> Path:
    """NASA's C-MAPSS files; they are no part of the project."""
    data = os.environ.get("SENSORLINE_DATA", Path(__file__).parents[2] / "shared" / "data")
    folder = Path(data) / "cmapss"
    if not folder.is_dir():
        pytest.skip(f"no C-MAPSS files in {folder}: set SENSORLINE_DATA to the folder of data sets")
    return folder


def without_kafka(reason: str) -> None:
    """Skips the test that needs a Kafka, or fails it under CI=true."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"this test needs a Kafka: {reason}")
    pytest.skip(f"this test needs a Kafka: {reason}")

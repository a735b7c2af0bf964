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
from tests.support.browser import LAPTOP, ChromiumUnavailable, Tab, chromium
from tests.support.kafka_jars import KafkaUnavailable
from tests.support.kafka_server import running_kafka
from tests.support.needs import unavailable


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
            unavailable(f"this test needs a Kafka: {reason}")
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
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A Chromium. Where there is none the test is skipped; under CI=true that is a failure."""
    with ExitStack() as stack:
        try:
            tab = stack.enter_context(chromium(tmp_path_factory.mktemp("chromium")))
        except ChromiumUnavailable as reason:
            unavailable(f"this test needs a Chromium: {reason}")
        yield tab


@pytest.fixture
def browser(one_browser: Tab) -> Iterator[Tab]:
    """The browser with an empty page of a laptop's size; a problem in its console fails the test."""
    one_browser.open("about:blank")
    one_browser.size(*LAPTOP)
    one_browser.problems.clear()
    yield one_browser
    one_browser.open("about:blank")
    assert one_browser.problems == []


@pytest.fixture(scope="session")
def cmapss_folder() -> Path:
    """NASA's C-MAPSS files; they are no part of the project."""
    data = os.environ.get("SENSORLINE_DATA", Path(__file__).parents[2] / "shared" / "data")
    folder = Path(data) / "cmapss"
    if not folder.is_dir():
        unavailable(f"no C-MAPSS files in {folder}: set SENSORLINE_DATA to the folder of data sets")
    return folder

"""The logs that the contract suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import ManualClock, SystemClock
from tests.support.broker_logs import LogUnderTest

START_MS = 1_767_225_600_000


@pytest.fixture(params=["memory", "sqlite", "kafka"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LogUnderTest]:
    """A log of each kind; a test for some kinds only says so by `parametrize("log", [...], indirect=True)`."""
    kinds = {"memory": memory_log, "sqlite": sqlite_log, "kafka": kafka_log}
    under_test = kinds[request.param](request, tmp_path)
    with under_test.connections:
        yield under_test


def memory_log(_request: pytest.FixtureRequest, _folder: Path) -> LogUnderTest:
    clock = ManualClock(START_MS)
    store = MemoryLog(clock)
    return LogUnderTest("memory", lambda: MemoryBroker(store), store.compact, clock)


def sqlite_log(_request: pytest.FixtureRequest, folder: Path) -> LogUnderTest:
    clock = ManualClock(START_MS)
    path = folder / "log.db"

    def compact(topic: str) -> None:
        broker = SqliteBroker(path, clock)
        broker.compact(topic)
        broker.close()

    return LogUnderTest("sqlite", lambda: SqliteBroker(path, clock), compact, clock)


def kafka_log(request: pytest.FixtureRequest, folder: Path) -> LogUnderTest:
    url = parse_url(request.getfixturevalue("kafka_url"), folder)
    options = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 1_000}
    return LogUnderTest("kafka", lambda: open_broker(url, SystemClock(), kafka=options), lambda topic: None, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
def broker(path: Path, clock: ManualClock) -> Iterator[SqliteBroker]:
    opened = SqliteBroker(path, clock)
    yield opened
    opened.close()

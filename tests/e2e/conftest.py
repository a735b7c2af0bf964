"""Logs and pipelines for the whole-flow tests, and a model for the simulated fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.brokers.memory import MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from producers.simulate import record_fleet
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import FLEET, SECTIONS

StartPipeline = Callable[..., Pipeline]


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


@pytest.fixture(params=["sqlite", "kafka"])
def start_pipeline(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartPipeline]:
    """Makes pipelines on a log that processes can share, from the sections of their configuration."""
    url = "sqlite:///" if request.param == "sqlite" else request.getfixturevalue("kafka_url")
    with ExitStack() as processes:
        yield lambda sections: new_pipeline(tmp_path, url, sections, processes)


@pytest.fixture(scope="session")
def wear_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells the wear of the simulated machines a little, trained by the command."""
    folder = tmp_path_factory.mktemp("wear")
    record_fleet(FLEET, folder / "fleet.parquet", folder / "labels.parquet")
    with ExitStack() as processes:
        trainer = new_pipeline(folder, "sqlite:///", SECTIONS, processes)
        options = ["--units", "8", "--epochs", "60", "--out", "wear"]
        trainer.succeeds("train", "--recording", "fleet.parquet", "--labels", "labels.parquet", *options)
    return folder / "wear"

"""MQTT brokers, and pipelines on the embedded log, for the tests of the live feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto, running_mosquitto
from tests.support.pipelines import Pipeline, new_pipeline

StartBroker = Callable[..., Mosquitto]
StartPipeline = Callable[[str], Pipeline]

SENSORS = '[sensors]\nnames = ["temperature", "vibration"]\n'


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartBroker]:
    """Starts an MQTT broker."""
    with ExitStack() as brokers:
        yield lambda guarded=None: brokers.enter_context(running_mosquitto(tmp_path / "mosquitto", guarded))


@pytest.fixture
def mosquitto(start_mosquitto: StartBroker) -> Mosquitto:
    """An MQTT broker that is open to all."""
    return start_mosquitto()


@pytest.fixture
def start_pipeline(tmp_path: Path) -> Iterator[StartPipeline]:
    """Makes a pipeline on the embedded log of two sensors, with further sections."""
    with ExitStack() as processes:
        yield lambda sections: new_pipeline(tmp_path / "pipeline", "sqlite:///", SENSORS + sections, processes)

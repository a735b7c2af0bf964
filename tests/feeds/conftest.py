"""MQTT brokers, HTTP servers, and pipelines on the embedded log, for the tests of the live feeds."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.commands import Running, eventually
from tests.support.kafka_server import free_ports
from tests.support.mosquitto import Mosquitto, running_mosquitto
from tests.support.pipelines import Pipeline, new_pipeline

StartBroker = Callable[..., Mosquitto]
StartPipeline = Callable[[str], Pipeline]

WITHIN_S = 30
READING = {"device": "pump-7", "time": 1, "values": {"temperature": 71.3}}
SENSORS = '[sensors]\nnames = ["temperature", "vibration"]\n'


@dataclass
class Server:
    """The server of a pipeline, and a client of it."""

    pipeline: Pipeline
    process: Running
    client: httpx.Client

    def post(self, body: object, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/readings", content=content, headers=headers)

    @property
    def address(self) -> tuple[str, int]:
        """For a client that speaks by itself."""
        return self.client.base_url.host, self.client.base_url.port or 0

    def memory_bytes(self) -> int:
        """What the process has in memory now."""
        return int(Path(f"/proc/{self.process.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def published(self) -> list[object]:
        return [json.loads(record.value or b"") for record in self.pipeline.records("readings")]


StartServer = Callable[..., Server]


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


@pytest.fixture
def start_server(start_pipeline: StartPipeline) -> Iterator[StartServer]:
    with ExitStack() as clients:

        def start(section: str = "", **settings: str) -> Server:
            port = free_ports(1)[0]
            pipeline = start_pipeline(f"[http]\nport = {port}\n{section}\n")
            process = pipeline.start("http", **settings)
            client = clients.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S, trust_env=False))
            eventually(lambda: is_up(client), WITHIN_S, lambda: process.said)
            return Server(pipeline, process, client)

        yield start


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def locked(pipeline: Pipeline) -> Iterator[None]:
    """Nobody can write to the log."""
    lock = sqlite3.connect(pipeline.folder / "log.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        lock.execute("ROLLBACK")
        lock.close()

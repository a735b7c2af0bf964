"""A Kafka that stands still: nothing is acknowledged to anybody meanwhile, and nothing is lost when it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.feeds.conftest import SENSORS
from tests.support.commands import eventually
from tests.support.kafka_jars import KafkaUnavailable
from tests.support.kafka_server import KafkaServer, free_ports, running_server
from tests.support.mosquitto import Mosquitto, devices_of
from tests.support.needs import unavailable
from tests.support.pipelines import new_pipeline

WITHIN_S = 60
NUMBER = 300


@pytest.fixture
def kafka() -> Iterator[KafkaServer]:
    """A Kafka of the test's own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server())
        except KafkaUnavailable as reason:
            unavailable(f"this test needs a Kafka: {reason}")
        yield server


def test_while_kafka_stands_still_nothing_is_acknowledged_and_then_nothing_is_lost(
    kafka: KafkaServer, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    port = free_ports(1)[0]
    sections = (
        f'{SENSORS}[mqtt]\nport = {mosquitto.port}\ntopics = ["plant/{{device}}/{{sensor}}"]\n'
        f'time_field = "time"\nmax_in_flight = 50\n[http]\nport = {port}\nacknowledge_within = "1s"\n'
    )
    with ExitStack() as processes:
        pipeline = new_pipeline(tmp_path / "pipeline", f"kafka://{kafka.address}", sections, processes)
        bridge, server = pipeline.start("mqtt"), pipeline.start("http")
        eventually(lambda: "taking messages of" in bridge.said, WITHIN_S, lambda: bridge.said)
        url = f"http://127.0.0.1:{port}/readings"

        def post(number: int) -> int:
            body = {"device": "h", "time": 1 + number, "values": {"temperature": NUMBER + number}}
            return httpx.post(url, json=body, trust_env=False, timeout=WITHIN_S).status_code

        def is_served() -> bool:
            try:
                return post(0) == 202
            except httpx.TransportError:
                return False

        eventually(is_served, WITHIN_S, lambda: server.said)
        kafka.pause()
        try:
            with devices_of(mosquitto) as devices:
                for number in range(NUMBER):
                    devices.publish(f"plant/d{number % 3}/temperature", json.dumps({"value": number, "time": 1_000 + number}))
                devices.flush()
            with ThreadPoolExecutor(8) as senders:
                assert set(senders.map(post, range(1, 17))) == {503}
            assert bridge.interrupt() in (0, 1), "stopped within the time, whatever the log does"
        finally:
            kafka.resume()
        bridge = pipeline.start("mqtt")

        def arrived() -> set[int]:
            return {json.loads(record.value or b"")["values"]["temperature"] for record in pipeline.records("readings")}

        eventually(lambda: arrived() >= set(range(NUMBER + 1)), WITHIN_S, lambda: bridge.said)
        eventually(is_served, WITHIN_S, lambda: server.said)
        assert server.interrupt() == 0
        assert bridge.interrupt() == 0

"""`docs/feeds.md`: what it says to type is typed, and the readings are on the topic."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from tests.docs.conftest import OpenShell
from tests.docs.typed import ROOT, Block, Shell, blocks_of
from tests.support.broker_logs import publish, unique_name
from tests.support.kafka_server import free_ports
from tests.support.mosquitto import devices_of, running_mosquitto

PAGE = ROOT / "docs" / "feeds.md"
BLOCKS = blocks_of(PAGE)
BEGIN = BLOCKS[:2]

Read = dict[str, object]


def typed_under(heading: str) -> list[Block]:
    """What is typed in one section."""
    return [block for block in BLOCKS if block.heading == heading]


def values_of(shell: Shell, number: int) -> list[Read]:
    """The readings on the topic, as soon as there are so many."""
    decode: Callable[[bytes], Read] = json.loads
    return shell.await_items("readings", decode, lambda found: len(found) >= number)


@pytest.fixture
def begin(open_shell: OpenShell) -> Callable[..., Shell]:
    """A shell in which the first lines of the page were typed."""

    def begun(**options: object) -> Shell:
        shell = open_shell(**options)
        shell.type(*BEGIN)
        return shell

    return begun


def test_the_whole_page_is_typed() -> None:
    sections = ["MQTT", "HTTP", "Any Kafka topic", "Files and replay", "A simulated fleet", "Your own producer"]
    assert [(block.heading, block.why_not) for block in BLOCKS if block.why_not] == []
    assert list(dict.fromkeys(block.heading for block in BLOCKS)) == ["", *sections]


def test_messages_of_mqtt_are_readings(begin: Callable[..., Shell], tmp_path: Path) -> None:
    (commands,) = typed_under("MQTT")
    examples = [
        ("plant/pump-7", '{"time": 1767225600123, "temperature": 71.3, "vibration": 0.02}'),
        ("hall/pump-7/temperature", '{"time": 1767225600123, "value": 71.3}'),
    ]
    page = PAGE.read_text("utf-8")
    assert all(f"| `{topic}` | `{payload}` |" in page for topic, payload in examples)
    with running_mosquitto(tmp_path / "mosquitto") as mosquitto:
        shell = begin(instead={"1883": str(mosquitto.port)})
        running = shell.start(commands)
        running.until(lambda: "taking messages of plant/+, hall/+/+" in running.said)
        assert "ok: mqtt broker" in running.shown
        with devices_of(mosquitto) as devices:
            for topic, payload in examples:
                devices.publish(topic, payload)
            devices.publish("hall/pump-7/temperature", "71.3")
            devices.flush()
        found = values_of(shell, 2)
        (rejected,) = shell.await_items("rejected", bytes)
        shell.close()
    assert found == [
        {"device": "pump-7", "time": 1767225600123, "values": {"temperature": 71.3, "vibration": 0.02}},
        {"device": "pump-7", "time": 1767225600123, "values": {"temperature": 71.3}},
    ]
    assert rejected == b"71.3"


def test_a_request_is_answered_when_the_log_has_its_readings(begin: Callable[..., Shell]) -> None:
    serve, requests = typed_under("HTTP")
    (port,) = free_ports(1)
    shell = begin(instead={"8080": str(port)})
    serving = shell.start(serve)
    serving.until(lambda: f":{port}/readings" in serving.said)
    shown = shell.type(requests).shown
    assert re.findall(r"HTTP/1\.1 (\d+)", shown) == ["202", "202", "207"]
    assert '"item":0,"reason":"' in shown, shown
    assert len(values_of(shell, 3)) == 3


def test_records_of_a_topic_of_their_own_are_readings(begin: Callable[..., Shell], kafka_url: str) -> None:
    (commands,) = typed_under("Any Kafka topic")
    topic = unique_name("machines.raw")
    shell = begin(instead={"machines.raw": topic}, name=unique_name("feeds"), settings={"broker__url": kafka_url})
    broker = open_broker(parse_url(kafka_url, shell.folder), SystemClock())
    broker.create_topic(TopicSettings(topic, 1))
    shell.start(commands)
    example = '{"machine":{"id":"pump-7"},"at":"2026-01-01T00:00:00Z","data":{"temp":71.3,"vib":0.02}}'
    assert f"`{example}`" in PAGE.read_text("utf-8")
    publish(broker, Message(topic, None, example.encode()))
    assert values_of(shell, 1) == [{"device": "pump-7", "time": 1767225600000, "values": {"temperature": 71.3, "vibration": 0.02}}]
    broker.delete_topic(topic)
    broker.close()


def test_a_file_is_replayed(begin: Callable[..., Shell]) -> None:
    shell = begin()
    shown = shell.type(*typed_under("Files and replay")).shown
    assert [json.loads(line)["values"] for line in shown.splitlines()] == [{"temperature": 71.3, "vibration": 0.02}, {"temperature": 71.4}]


def test_a_fleet_is_simulated(begin: Callable[..., Shell]) -> None:
    shell = begin()
    assert "readings published" in shell.type(*typed_under("A simulated fleet")).said
    assert (shell.folder / "labels.parquet").exists()


def test_a_producer_of_their_own(begin: Callable[..., Shell], kafka_url: str) -> None:
    name = unique_name("feeds")
    instead = {"localhost:9092": kafka_url.removeprefix("kafka://"), "sensor.readings": f"{name}.readings"}
    shell = begin(instead=instead, name=name, settings={"broker__url": kafka_url})
    shell.type(*typed_under("Your own producer"))
    (reading,) = values_of(shell, 1)
    assert reading["values"] == {"temperature": 71.3, "vibration": 0.02}

"""Which broker a URL means, and what is said about one that means none."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.brokers import url as module
from pipeline.brokers.memory import MemoryLog
from pipeline.brokers.protocol import TopicSettings
from pipeline.brokers.url import BrokerUrl, KafkaUrl, MemoryUrl, SqliteUrl, open_broker, parse_url
from pipeline.clock import ManualClock
from pipeline.errors import BrokerUnreachable, ConfigurationError

FOLDER = Path("/etc/sensorline")


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("kafka://localhost:9092", KafkaUrl(("localhost:9092",))),
        ("kafka://k-1.example.org:9092,10.0.0.2:65535", KafkaUrl(("k-1.example.org:9092", "10.0.0.2:65535"))),
        ("kafka://[::1]:9092", KafkaUrl(("[::1]:9092",))),
        ("sqlite:///log.db", SqliteUrl(Path("/etc/sensorline/log.db"))),
        ("sqlite:///data/log of today.db", SqliteUrl(Path("/etc/sensorline/data/log of today.db"))),
        ("sqlite:////var/lib/log.db", SqliteUrl(Path("/var/lib/log.db"))),
        ("memory://", MemoryUrl()),
    ],
)
def test_a_url_means_a_broker(url: str, meant: BrokerUrl) -> None:
    assert parse_url(url, FOLDER) == meant


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.db",
        "kafka:localhost:9092",
        "KAFKA://localhost:9092",
        "postgres://localhost:5432",
        "kafka://",
        "kafka://localhost",
        "kafka://localhost:",
        "kafka://:9092",
        "kafka://localhost:0",
        "kafka://localhost:65536",
        "kafka://localhost:9092,",
        "kafka://localhost:9092, other:9092",
        "kafka://localhost:9092/topic",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://log.db",
        "memory://log",
    ],
)
def test_a_url_that_means_no_broker_is_an_error_with_key_value_and_what_is_allowed(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url, FOLDER)
    message = str(caught.value)
    assert message.startswith(f'broker.url = "{url}": ')
    assert any(form in message for form in ("host:port", "sqlite:///file.db", "memory://"))


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url("kafka://user:secret@localhost:9092", FOLDER)
    assert "secret" not in str(caught.value)


def test_brokers_opened_on_one_memory_log_share_it() -> None:
    clock = ManualClock()
    shared = MemoryLog(clock)
    first, second = (open_broker(MemoryUrl(), clock, memory=shared) for _ in range(2))
    first.create_topic(TopicSettings("t", 1))
    assert list(second.topics()) == ["t"]
    assert open_broker(MemoryUrl(), clock).topics() == {}


def test_a_sqlite_url_opens_the_file_beside_the_configuration(tmp_path: Path) -> None:
    broker = open_broker(parse_url("sqlite:///log.db", tmp_path), ManualClock())
    broker.create_topic(TopicSettings("t", 1))
    broker.close()
    assert (tmp_path / "log.db").is_file()


def test_a_sqlite_url_in_a_folder_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachable, match="nowhere"):
        open_broker(parse_url("sqlite:///nowhere/log.db", tmp_path), ManualClock())


def test_options_of_kafka_that_contradict_each_other_are_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="security_protocol"):
        open_broker(KafkaUrl(("localhost:9092",)), ManualClock(), kafka={"security_protocol": "carrier pigeon"})


def test_no_library_is_imported_for_a_broker_that_is_not_opened() -> None:
    program = """
import sys
from pathlib import Path
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
for url in ("kafka://localhost:9092", "sqlite:///log.db", "memory://"):
    parsed = parse_url(url, Path("/"))
open_broker(parsed, SystemClock())
print(sorted({"kafka", "sqlite3"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_examples_of_the_documentation_hold() -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0

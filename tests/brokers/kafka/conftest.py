"""A Kafka with TLS and passwords, and connections to the session's Kafka with short session timeouts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.brokers.kafka import KafkaBroker, KafkaOptions
from pipeline.brokers.protocol import TopicSettings
from pipeline.clock import SystemClock
from tests.support.broker_logs import unique_name
from tests.support.kafka_jars import KafkaUnavailable
from tests.support.kafka_server import KafkaServer, Secured, running_server
from tests.support.needs import unavailable
from tests.support.tls_files import TlsFiles, make_tls_files

QUICK = KafkaOptions(session_timeout_ms=1_500, heartbeat_interval_ms=300)


@pytest.fixture(scope="session")
def kafka_address(kafka_url: str) -> str:
    """host:port of the session's Kafka."""
    return kafka_url.removeprefix("kafka://")


@dataclass
class Cluster:
    """The session's Kafka, as one test uses it."""

    address: str
    connections: ExitStack

    def connect(self, options: KafkaOptions = QUICK) -> KafkaBroker:
        """A connection that is closed at the end of the test."""
        broker = KafkaBroker((self.address,), options, SystemClock())
        self.connections.callback(broker.close)
        return broker

    def topic(self, partitions: int = 1, *, max_message_bytes: int = 1_048_576) -> str:
        """A new topic."""
        name = unique_name("topic")
        assert self.connect().create_topic(TopicSettings(name, partitions, max_message_bytes=max_message_bytes))
        return name


@pytest.fixture
def cluster(kafka_address: str) -> Iterator[Cluster]:
    with ExitStack() as connections:
        yield Cluster(kafka_address, connections)


@dataclass(frozen=True)
class SecuredKafka:
    """A Kafka of its own, with a plaintext listener and one that wants TLS and a password."""

    server: KafkaServer
    files: TlsFiles
    user: str
    password: str


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    files = make_tls_files(tmp_path_factory.mktemp("tls"))
    secured = Secured(Path(files.keystore), {"alice": "alice-secret"})
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server(secured))
        except KafkaUnavailable as reason:
            unavailable(f"this test needs a Kafka: {reason}")
        yield SecuredKafka(server, files, "alice", "alice-secret")

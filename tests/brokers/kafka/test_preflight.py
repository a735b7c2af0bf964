"""Whoever cannot be let in is told why, and soon."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.brokers.kafka import KafkaBroker, KafkaOptions
from pipeline.brokers.kafka.preflight import host_and_port
from pipeline.clock import SystemClock
from pipeline.errors import BrokerUnreachable, ConfigurationError
from tests.brokers.kafka.conftest import SecuredKafka


def opening(address: str, options: KafkaOptions) -> None:
    KafkaBroker((address,), options, SystemClock()).close()


def options_of(kafka: SecuredKafka, *, password: str | None = None, authority: Path | None = None) -> KafkaOptions:
    """What lets alice in, but for what is said otherwise."""
    return KafkaOptions(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=kafka.user,
        sasl_password=password or kafka.password,
        ssl_cafile=str(authority or kafka.files.authority),
    )


@contextmanager
def a_server_that(answer: bytes) -> Iterator[str]:
    """Something that is no Kafka: it reads a little, answers so, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4)
                connection.sendall(answer)

        server = threading.Thread(target=serve)
        server.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.join()


def test_with_the_right_credentials_the_broker_is_used(secured_kafka: SecuredKafka) -> None:
    broker = KafkaBroker((secured_kafka.server.secured_address,), options_of(secured_kafka), SystemClock())
    assert broker.topics() == {}
    broker.close()


def test_one_good_address_of_several_is_enough(kafka_address: str) -> None:
    broker = KafkaBroker(("127.0.0.1:1", kafka_address), KafkaOptions(), SystemClock())
    assert isinstance(broker.topics(), dict)
    broker.close()


def test_a_wrong_password_is_called_so(secured_kafka: SecuredKafka) -> None:
    with pytest.raises(BrokerUnreachable, match=r"refuses the login .*'alice'.*invalid credentials") as raised:
        opening(secured_kafka.server.secured_address, options_of(secured_kafka, password="wrong-secret"))
    assert "wrong-secret" not in str(raised.value)


def test_a_mechanism_that_the_broker_has_not_is_called_so(secured_kafka: SecuredKafka) -> None:
    options = KafkaOptions("SASL_SSL", "PLAIN", "alice", "alice-secret", ssl_cafile=str(secured_kafka.files.authority))
    with pytest.raises(BrokerUnreachable, match=r"refuses the login \(sasl_mechanism PLAIN.*has only SCRAM-SHA-256"):
        opening(secured_kafka.server.secured_address, options)


def test_a_certificate_of_another_authority_is_called_so(secured_kafka: SecuredKafka) -> None:
    with pytest.raises(BrokerUnreachable, match=r"certificate is not accepted.*ssl_cafile"):
        opening(secured_kafka.server.secured_address, options_of(secured_kafka, authority=secured_kafka.files.stranger))


def test_a_certificate_for_another_name_is_called_so(secured_kafka: SecuredKafka) -> None:
    with pytest.raises(BrokerUnreachable, match=r"certificate is not accepted.*ssl_check_hostname"):
        opening(secured_kafka.server.secured_address.replace("localhost", "127.0.0.1"), options_of(secured_kafka))


def test_plain_text_to_a_port_with_tls_is_called_so(secured_kafka: SecuredKafka) -> None:
    with pytest.raises(BrokerUnreachable, match=r"hangs up on plain text.*security_protocol = SSL"):
        opening(secured_kafka.server.secured_address, KafkaOptions())


def test_tls_to_a_port_with_plain_text_is_called_so(kafka_address: str, secured_kafka: SecuredKafka) -> None:
    with pytest.raises(BrokerUnreachable, match=r"no TLS is spoken there.*\(SASL_PLAINTEXT does not\)"):
        opening(kafka_address, options_of(secured_kafka))


def test_an_address_where_nothing_listens_is_called_so() -> None:
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1: nothing listens there"):
        opening("127.0.0.1:1", KafkaOptions())


def test_a_host_without_an_address_is_called_so() -> None:
    with pytest.raises(BrokerUnreachable, match=r"no-such-host\.invalid:9092: the host name cannot be resolved"):
        opening("no-such-host.invalid:9092", KafkaOptions())


def test_what_is_no_kafka_is_called_so() -> None:
    with a_server_that(answer=b"HTTP/1.1 400 Bad Request") as address, pytest.raises(BrokerUnreachable, match="no Kafka"):
        opening(address, KafkaOptions())


def test_a_frozen_broker_is_called_so(secured_kafka: SecuredKafka) -> None:
    secured_kafka.server.pause()
    try:
        with pytest.raises(BrokerUnreachable, match="does not answer"):
            opening(secured_kafka.server.address, KafkaOptions())
    finally:
        secured_kafka.server.resume()


@pytest.mark.parametrize("address", ["host", "host:", ":9092", "host:none", "host:0", "host:65536"])
def test_what_is_no_address_is_an_error_of_the_configuration(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[broker\] url"):
        host_and_port(address)


def test_an_address_of_version_6_has_brackets() -> None:
    assert host_and_port("[::1]:9092") == ("::1", 9092)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"security_protocol": "TLS"}, "security_protocol = 'TLS'"),
        ({"security_protocol": "SASL_SSL", "sasl_username": "a", "sasl_password": "b"}, "sasl_mechanism"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_password": "b"}, "sasl_username"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "a"}, "sasl_password"),
        ({"session_timeout_ms": 1000, "heartbeat_interval_ms": 400}, "heartbeat_interval_ms = 400"),
        ({"delivery_timeout_ms": 10}, "delivery_timeout_ms = 10"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_contradict_each_other_are_named(options: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        KafkaOptions(**options)  # type: ignore[arg-type]


def test_a_certificate_file_that_is_missing_is_named(kafka_address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ssl_cafile = '/no/such\.pem': No such file"):
        opening(kafka_address, KafkaOptions(security_protocol="SSL", ssl_cafile="/no/such.pem"))
    with pytest.raises(ConfigurationError, match=r"ssl_certfile = '/no/such\.pem'.*No such file"):
        opening(kafka_address, KafkaOptions(security_protocol="SSL", ssl_certfile="/no/such.pem", ssl_keyfile="/no/such.key"))


def test_no_password_is_shown_with_the_options() -> None:
    shown = repr(KafkaOptions("SASL_PLAINTEXT", "PLAIN", "alice", "alice-secret", ssl_password="key-secret"))
    assert "alice" in shown
    assert "secret" not in shown

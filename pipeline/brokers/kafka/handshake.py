"""The first three requests of Kafka's protocol by hand: is this a Kafka, has it this mechanism, does it take this password.

The library cannot be asked: it loses the broker's refusal where the broker hangs up right after it (kafka-python 3.0.12),
and tries again until its time is over. Layouts: https://kafka.apache.org/protocol
"""

from __future__ import annotations

import struct
from socket import socket

from kafka.net.sasl import get_sasl_mechanism

from pipeline.brokers.kafka.settings import KafkaOptions

_API_VERSIONS, _SASL_HANDSHAKE, _SASL_AUTHENTICATE = 18, 17, 36
_LONGEST_ANSWER = 1_000_000


class NoKafka(Exception):
    """What answers does not speak this protocol; `answer` is what it said."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(f"no answer of a Kafka: {answer[:20]!r}")
        self.answer = answer


class LoginRefused(Exception):
    """The broker's own reason."""


def greet(connection: socket) -> None:
    """Asks for the API versions, which a broker tells to anybody. Raises `NoKafka`, `OSError`."""
    _exchange(connection, _API_VERSIONS, 0, b"")


def log_in(connection: socket, host: str, options: KafkaOptions) -> None:
    """Shows user and password. Raises `LoginRefused`, `NoKafka`, `OSError`."""
    name = (options.sasl_mechanism or "").encode()
    answer = _exchange(connection, _SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name)
    error, count = struct.unpack_from(">hi", answer)
    if error:
        raise LoginRefused(f"the broker has only {', '.join(_strings(answer, 6, count))}")
    mechanism = get_sasl_mechanism(options.sasl_mechanism)(
        host=host,
        security_protocol=options.security_protocol,
        sasl_plain_username=options.sasl_username,
        sasl_plain_password=options.sasl_password,
        sasl_mechanism=options.sasl_mechanism,
    )
    while not mechanism.is_done():
        token = mechanism.auth_bytes()
        answer = _exchange(connection, _SASL_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
        error, length = struct.unpack_from(">hh", answer)
        end = 4 + max(length, 0)
        if error:
            raise LoginRefused(answer[4:end].decode(errors="replace") or f"error {error}")
        try:
            mechanism.receive(answer[end + 4 :])
        except ValueError as wrong:  # the broker does not know the password either
            raise LoginRefused(str(wrong)) from wrong


def _exchange(connection: socket, api: int, version: int, body: bytes) -> bytes:
    """Sends a request (header version 1, no client id) and returns the body of its answer."""
    request = struct.pack(">hhih", api, version, api, -1) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    start = _receive(connection, 8)
    size, correlation = struct.unpack(">ii", start)
    if correlation != api or not 4 <= size < _LONGEST_ANSWER:
        raise NoKafka(start)
    return _receive(connection, size - 4)


def _receive(connection: socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise NoKafka(received)
        received += part
    return received


def _strings(answer: bytes, start: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, start)
        found.append(answer[start + 2 : start + 2 + length].decode(errors="replace"))
        start += 2 + length
    return found

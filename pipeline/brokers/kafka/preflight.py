"""Says why a broker cannot be used, before any client is made: address, TLS, protocol, in this order.

kafka-python answers each of these with "unable to bootstrap" after its whole timeout; the reason is at most in its logs.
So the ways in are walked by hand: a TCP connection, a TLS handshake, one Kafka request. Only the password needs the
library (`pipeline.brokers.kafka.admin`).
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.brokers.kafka.settings import KafkaOptions
from pipeline.errors import BrokerUnreachable, ConfigurationError

BUDGET_S = 5.0  # for all addresses together, each step
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # length, ApiVersions, version 0, correlation id 1, no client id
_TLS_ALERT = b"\x15\x03"
_HOSTNAME_MISMATCH = 62  # X509_V_ERR_HOSTNAME_MISMATCH


def preflight(bootstrap: tuple[str, ...], options: KafkaOptions, context: ssl.SSLContext | None) -> None:
    """Returns when one of the addresses speaks Kafka in the way the options say.

    Raises `BrokerUnreachable` with the reasons, address by address, and `ConfigurationError` for what is no address.
    """
    reasons = []
    for address in bootstrap:
        try:
            _try(address, options, context, BUDGET_S / len(bootstrap))
        except BrokerUnreachable as reason:
            reasons.append(str(reason))
        else:
            return
    raise BrokerUnreachable("; ".join(reasons))


def host_and_port(address: str) -> tuple[str, int]:
    """Takes `host:port` and `[v6]:port` apart. Raises `ConfigurationError`."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"[broker] url: {address!r} is not host:port")
    return host.strip("[]"), int(port)


def _try(address: str, options: KafkaOptions, context: ssl.SSLContext | None, limit_s: float) -> None:
    host, port = host_and_port(address)
    with _connected(address, host, port, limit_s) as plain:
        if context is None:
            _ask(plain, address, options)
            return
        with _encrypted(plain, address, host, context, options) as encrypted:
            _ask(encrypted, address, options)


@contextmanager
def _connected(address: str, host: str, port: int, limit_s: float) -> Iterator[socket.socket]:
    try:
        connection = socket.create_connection((host, port), timeout=limit_s)
    except socket.gaierror as error:
        raise BrokerUnreachable(f"{address}: the host name cannot be resolved ({error.strerror})") from error
    except TimeoutError as error:
        raise BrokerUnreachable(f"{address}: no answer within {limit_s:g} s; wrong address, or a firewall in between") from error
    except ConnectionRefusedError as error:
        raise BrokerUnreachable(f"{address}: nothing listens there") from error
    except OSError as error:
        raise BrokerUnreachable(f"{address}: {error.strerror or error}") from error
    with connection:
        yield connection


def _encrypted(plain: socket.socket, address: str, host: str, context: ssl.SSLContext, options: KafkaOptions) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _HOSTNAME_MISMATCH or "IP address mismatch" in error.verify_message:
            why = f"{error.verify_message}; ssl_check_hostname = false would accept it"
        else:
            why = f"{error.verify_message}; ssl_cafile must hold the certificate of the authority that signed the broker's"
        raise BrokerUnreachable(f"{address}: the broker's certificate is not accepted: {why}") from error
    except ssl.SSLEOFError as error:
        raise BrokerUnreachable(_no_tls(address, options)) from error
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            raise BrokerUnreachable(_no_tls(address, options)) from error
        raise BrokerUnreachable(f"{address}: the TLS handshake failed: {error.reason or error}") from error
    except OSError as error:  # reset, or no answer
        raise BrokerUnreachable(_no_tls(address, options)) from error


def _no_tls(address: str, options: KafkaOptions) -> str:
    plain = options.security_protocol.replace("SASL_SSL", "SASL_PLAINTEXT").replace("SSL", "PLAINTEXT")
    other = plain if options.uses_sasl else "PLAINTEXT"
    return f"{address}: no TLS is spoken there; security_protocol = {options.security_protocol} needs it ({other} does not)"


def _ask(connection: socket.socket, address: str, options: KafkaOptions) -> None:
    """Sends one request that any Kafka answers before it asks who is there, and looks at the first bytes of the answer."""
    try:
        connection.sendall(_API_VERSIONS)
        answer = connection.recv(8)
    except TimeoutError as error:
        raise BrokerUnreachable(f"{address}: accepts connections but does not answer; the broker hangs or is no Kafka") from error
    except ssl.SSLError as error:
        raise BrokerUnreachable(
            f"{address}: the broker refuses this client: {error.reason or error}; it may want ssl_certfile and ssl_keyfile"
        ) from error
    except OSError:
        answer = b""
    if not options.uses_tls and (not answer or answer.startswith(_TLS_ALERT)):
        with_tls = "SASL_SSL" if options.uses_sasl else "SSL"
        raise BrokerUnreachable(
            f"{address}: hangs up on plain text; the port may want TLS (security_protocol = {with_tls}), or is no Kafka"
        )
    if len(answer) < 8 or struct.unpack(">i", answer[4:])[0] != 1:
        raise BrokerUnreachable(f"{address}: what answers there is no Kafka")

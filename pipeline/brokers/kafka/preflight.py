"""Says why a broker cannot be used, before any client is made: address, TLS, protocol, password, in this order.

kafka-python answers each of these with "unable to bootstrap" after its whole timeout; the reason is at most in its logs.
So the way in is walked by hand, and each step that fails has a sentence that says what is wrong and what to change.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.brokers.kafka.handshake import LoginRefused, NoKafka, greet, log_in
from pipeline.brokers.kafka.settings import KafkaOptions
from pipeline.errors import BrokerUnreachable, ConfigurationError

BUDGET_S = 5.0  # for all addresses together, each step
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
            _speak(plain, address, host, options)
            return
        with _encrypted(plain, address, host, context, options) as encrypted:
            _speak(encrypted, address, host, options)


@contextmanager
def _connected(address: str, host: str, port: int, limit_s: float) -> Iterator[socket.socket]:
    try:
        connection = socket.create_connection((host, port), timeout=limit_s)
    except socket.gaierror as error:
        raise BrokerUnreachable(f"{address}: the host name cannot be resolved ({error.strerror}); is broker.url right?") from error
    except TimeoutError as error:
        raise BrokerUnreachable(f"{address}: no answer within {limit_s:g} s; wrong address, or a firewall in between") from error
    except ConnectionRefusedError as error:
        raise BrokerUnreachable(f"{address}: nothing listens there; is broker.url right, and is Kafka running?") from error
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
        raise BrokerUnreachable(_not_spoken(address, options)) from error
    except ssl.SSLError as error:
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            raise BrokerUnreachable(_not_spoken(address, options)) from error
        raise BrokerUnreachable(f"{address}: the TLS handshake failed: {error.reason or error}") from error
    except OSError as error:  # reset, or no answer
        raise BrokerUnreachable(_not_spoken(address, options)) from error


def _not_spoken(address: str, options: KafkaOptions) -> str:
    """The sentence for TLS where there is none."""
    without = "SASL_PLAINTEXT" if options.uses_sasl else "PLAINTEXT"
    return f"{address}: no TLS is spoken there; security_protocol = {options.security_protocol} needs it ({without} does not)"


def _speak(connection: socket.socket, address: str, host: str, options: KafkaOptions) -> None:
    try:
        greet(connection)
        if options.uses_sasl:
            log_in(connection, host, options)
    except LoginRefused as refused:
        user = f"sasl_mechanism {options.sasl_mechanism}, sasl_username {options.sasl_username!r}"
        raise BrokerUnreachable(f"{address}: the broker refuses the login ({user}): {refused}") from refused
    except TimeoutError as error:
        raise BrokerUnreachable(f"{address}: accepts connections but does not answer; the broker hangs, or is no Kafka") from error
    except ssl.SSLError as error:
        why = f"{error.reason or error}; it may want ssl_certfile and ssl_keyfile"
        raise BrokerUnreachable(f"{address}: the broker refuses this client: {why}") from error
    except (NoKafka, OSError) as error:
        raise BrokerUnreachable(f"{address}: {_hung_up(options, error)}") from error


def _hung_up(options: KafkaOptions, error: Exception) -> str:
    """A port with TLS hangs up on plain text, or answers it with an alert."""
    answer = error.answer if isinstance(error, NoKafka) else b""
    if not options.uses_tls and (not answer or answer.startswith(_TLS_ALERT)):
        with_tls = "SASL_SSL" if options.uses_sasl else "SSL"
        return f"hangs up on plain text; the port may want TLS (security_protocol = {with_tls}), or is no Kafka"
    return "hangs up; it is no Kafka" if not answer else "what answers there is no Kafka"

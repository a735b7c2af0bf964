"""What a user may set about Kafka, and what sensorline sets for kafka-python's clients.

Knows names and values only: no client is made and nothing is connected here.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from pipeline.errors import ConfigurationError

SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

CALL_TIMEOUT_MS = 5_000  # of one question to the broker: a commit, a position, the ends of the log
REQUEST_TIMEOUT_MS = 10_000
BOOTSTRAP_TIMEOUT_MS = 15_000
LINGER_MS = 20
BATCH_BYTES = 131_072
IN_FLIGHT_RECORDS = 20_000
IN_FLIGHT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class KafkaOptions:
    """The section `[broker.kafka]`. Raises `ConfigurationError` for values that contradict each other."""

    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None  # None: the machine's own certificates
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True
    session_timeout_ms: int = 10_000
    heartbeat_interval_ms: int = 3_000
    delivery_timeout_ms: int = 120_000  # how long a record may wait for its acknowledgement

    def __post_init__(self) -> None:
        self._require(self.security_protocol in SECURITY_PROTOCOLS, "security_protocol", f"must be one of {', '.join(SECURITY_PROTOCOLS)}")
        if self.uses_sasl:
            self._require(self.sasl_mechanism in SASL_MECHANISMS, "sasl_mechanism", f"must be one of {', '.join(SASL_MECHANISMS)}")
            self._require(bool(self.sasl_username), "sasl_username", f"is needed with {self.security_protocol}")
            self._require(self.sasl_password is not None, "sasl_password", f"is needed with {self.security_protocol}")
        limit = self.session_timeout_ms // 3
        self._require(
            0 < self.heartbeat_interval_ms <= limit, "heartbeat_interval_ms", f"must be from 1 to session_timeout_ms / 3 ({limit})"
        )
        self._require(self.delivery_timeout_ms >= 1_000, "delivery_timeout_ms", "must be at least 1000")

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol.endswith("SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether the client shows a user name and a password."""
        return self.security_protocol.startswith("SASL")

    def _require(self, holds: bool, key: str, allowed: str) -> None:
        if not holds:
            value = "" if key == "sasl_password" else f" = {getattr(self, key)!r}"
            raise ConfigurationError(f"[broker.kafka] {key}{value}: {allowed}")


def tls_context(options: KafkaOptions) -> ssl.SSLContext | None:
    """One context for the preflight and for all clients, so that they cannot differ; None where there is no TLS.

    Raises `ConfigurationError` for files that are missing or are not what they should be.
    """
    if not options.uses_tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = options.ssl_check_hostname
    try:
        if options.ssl_cafile:
            context.load_verify_locations(options.ssl_cafile)
        else:
            context.load_default_certs()
    except OSError as error:  # ssl.SSLError is one too
        raise ConfigurationError(f"[broker.kafka] ssl_cafile = {options.ssl_cafile!r}: {_reason(error)}") from error
    if options.ssl_certfile:
        try:
            context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile, options.ssl_password)
        except OSError as error:
            files = f"ssl_certfile = {options.ssl_certfile!r}, ssl_keyfile = {options.ssl_keyfile!r}"
            raise ConfigurationError(f"[broker.kafka] {files}: {_reason(error)}") from error
    return context


def client_settings(bootstrap: tuple[str, ...], options: KafkaOptions, context: ssl.SSLContext | None) -> dict[str, Any]:
    """What every kind of client is given."""
    settings: dict[str, Any] = {
        "bootstrap_servers": list(bootstrap),
        "client_id": "sensorline",
        "security_protocol": options.security_protocol,
        "ssl_context": context,
        "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": 1_000,
    }
    if options.uses_sasl:
        settings["sasl_mechanism"] = options.sasl_mechanism
        settings["sasl_plain_username"] = options.sasl_username
        settings["sasl_plain_password"] = options.sasl_password
    return settings


def consumer_settings(max_records: int) -> dict[str, Any]:
    """What any consumer is given beside `client_settings`.

    No reset policy: where to begin is decided in the open (the start of the log for a new group), and a position outside
    the log is an error instead of a silent jump. No deserializer: one that raises would stop the client for ever.
    """
    return {
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        "check_crcs": True,
        "max_poll_records": max_records,
        "max_partition_fetch_bytes": 1_048_576,
        "metadata_max_age_ms": 60_000,
        "metrics_enabled": False,
    }


def member_settings(group: str, options: KafkaOptions) -> dict[str, Any]:
    """What a member of a group is given beside `consumer_settings`.

    Members are dynamic: a static one that is fenced (its name used twice) would go on getting records.
    """
    return {
        "group_id": group,
        "session_timeout_ms": options.session_timeout_ms,
        "heartbeat_interval_ms": options.heartbeat_interval_ms,
        "max_poll_interval_ms": 300_000,
        "partition_assignment_strategy": (CooperativeStickyAssignor,),
    }


def producer_settings(options: KafkaOptions) -> dict[str, Any]:
    """What a producer is given beside `client_settings`.

    lz4 costs nothing for records of 200 B and is half as fast again as no compression for 1 kB; zstd and gzip are slower.
    No timestamp is ever sent, so none can be out of range.
    """
    return {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": LINGER_MS,
        "batch_size": BATCH_BYTES,
        "compression_type": "lz4",
        "max_request_size": IN_FLIGHT_BYTES,
        "delivery_timeout_ms": options.delivery_timeout_ms,
        "request_timeout_ms": min(REQUEST_TIMEOUT_MS, options.delivery_timeout_ms // 2),
        "max_block_ms": 10_000,
        "metrics_enabled": False,
    }


def _reason(error: OSError) -> str:
    """`[Errno 2] No such file or directory` without its number; OpenSSL's own words for a bad file."""
    return error.strerror or str(error)

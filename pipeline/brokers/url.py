"""The broker URL of the configuration: which broker it means, and opening that broker.

Knows of each broker what its URL looks like; a broker's library is imported only when its URL is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.clock import Clock
from pipeline.errors import ConfigurationError

KEY = "broker.url"
ALLOWED = '"kafka://host:port[,host:port...]", "sqlite:///file.db" or "memory://"'

_HOST_AND_PORT = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_LOGIN = re.compile(r"//[^@]*@")


class KafkaUrl(msgspec.Struct, frozen=True):
    """The servers to ask first, each `host:port`."""

    bootstrap: tuple[str, ...]


class SqliteUrl(msgspec.Struct, frozen=True):
    """The log's file."""

    path: Path


class MemoryUrl(msgspec.Struct, frozen=True):
    """The process's own memory."""


BrokerUrl = KafkaUrl | SqliteUrl | MemoryUrl


def parse_url(url: str, base_folder: Path) -> BrokerUrl:
    """The broker that `url` means; a relative path is relative to `base_folder`. Raises `ConfigurationError`.

    >>> parse_url("kafka://one:9092,two:9092", Path("/etc"))
    KafkaUrl(bootstrap=('one:9092', 'two:9092'))
    >>> parse_url("sqlite:///log.db", Path("/etc"))
    SqliteUrl(path=PosixPath('/etc/log.db'))
    """
    scheme, separator, rest = url.partition("://")
    match scheme, separator:
        case "kafka", "://":
            return _kafka(url, rest)
        case "sqlite", "://":
            return _sqlite(url, rest, base_folder)
        case "memory", "://":
            if rest:
                raise _problem(url, 'nothing follows "memory://"')
            return MemoryUrl()
    raise _problem(url, f"must be {ALLOWED}")


def _kafka(url: str, servers: str) -> KafkaUrl:
    bootstrap = tuple(servers.split(","))
    for server in bootstrap:
        found = _HOST_AND_PORT.fullmatch(server)
        if found is None or not 1 <= int(found["port"]) <= 65535:
            raise _problem(url, f"{_without_login('//' + server)[2:]!r} is not host:port; allowed is {ALLOWED}")
    return KafkaUrl(bootstrap)


def _sqlite(url: str, location: str, base_folder: Path) -> SqliteUrl:
    path = location.removeprefix("/")
    if not location.startswith("/") or not Path(path).name:
        raise _problem(url, '"sqlite:///file.db" is relative to the configuration\'s folder, "sqlite:////folder/file.db" is absolute')
    return SqliteUrl(base_folder / path)


def _problem(url: str, allowed: str) -> ConfigurationError:
    return ConfigurationError(f'{KEY} = "{_without_login(url)}": {allowed}')


def _without_login(url: str) -> str:
    """Somebody's password must not come into a log by way of an error."""
    return _LOGIN.sub("//***@", url)


def open_broker(url: BrokerUrl, clock: Clock, memory: MemoryLog | None = None, kafka: Mapping[str, Any] | None = None) -> Broker:
    """A new connection to the broker.

    `memory` is the log that the process's stages share (none: a new, empty one); `kafka` is the section `[broker.kafka]`,
    by the names of `KafkaOptions`. Raises `BrokerUnreachable`; `ConfigurationError` for options that contradict each other.
    """
    match url:
        case MemoryUrl():
            return MemoryBroker(memory if memory is not None else MemoryLog(clock))
        case SqliteUrl(path):
            from pipeline.brokers.sqlite.broker import SqliteBroker

            return SqliteBroker(path, clock)
        case KafkaUrl(bootstrap):
            from pipeline.brokers.kafka import KafkaBroker, KafkaOptions

            return KafkaBroker(bootstrap, KafkaOptions(**(kafka or {})), clock)

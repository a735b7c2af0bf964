"""What a command starts from: the configuration that the options name, and the broker that the configuration names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from pipeline.brokers.memory import MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Configuration, load


@dataclass(frozen=True)
class Invocation:
    """The options that every command has."""

    file: Path | None


def configuration(context: typer.Context) -> Configuration:
    """The configuration of this invocation. Raises `ConfigurationError`."""
    invocation: Invocation = context.obj
    chosen = load(invocation.file, os.environ)
    parse_url(chosen.settings.broker.url, chosen.folder)
    return chosen


def connector(chosen: Configuration) -> Callable[[], Broker]:
    """Makes connections to the configured broker; those to `memory://` share one log.

    A connection raises `BrokerUnreachable`, or `ConfigurationError` for options that contradict each other.
    """
    url = parse_url(chosen.settings.broker.url, chosen.folder)
    clock = SystemClock()
    memory = MemoryLog(clock)
    return lambda: open_broker(url, clock, memory, chosen.settings.broker.kafka.options())


@contextmanager
def connected(connect: Callable[[], Broker]) -> Iterator[Broker]:
    """A connection, closed at the end."""
    broker = connect()
    try:
        yield broker
    finally:
        broker.close()

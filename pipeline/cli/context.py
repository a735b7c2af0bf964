"""What a command starts from: the configuration that the options name, and the broker that the configuration names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from pipeline.brokers.memory import MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import MemoryUrl, open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Configuration, load
from pipeline.errors import ConfigurationError


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


def only_warnings(context: typer.Context) -> None:
    """For commands whose stages are a means: their log would bury the answer. `--log-level` is still obeyed."""
    chosen = context.find_root().get_parameter_source("log_level")
    if chosen is not None and chosen.name == "DEFAULT":
        logging.getLogger().setLevel(logging.WARNING)


def is_in_memory(chosen: Configuration) -> bool:
    """Whether the configured log is in the memory of one process, which no other one sees."""
    return isinstance(parse_url(chosen.settings.broker.url, chosen.folder), MemoryUrl)


def connector(chosen: Configuration, alone: bool = False) -> Callable[[], Broker]:
    """Makes connections to the configured broker; those to `memory://` share one log.

    `alone`: the command fills and reads the log by itself. Any other one raises `ConfigurationError` for `memory://`.
    A connection raises `BrokerUnreachable`, or `ConfigurationError` for options that contradict each other.
    """
    if is_in_memory(chosen) and not alone:
        raise ConfigurationError(
            "broker.url = memory://: is in the memory of one process, and only `sensorline run --replay FILE` has all in one;"
            " use sqlite:///file.db or kafka://host:port"
        )
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

"""`sensorline tail` and `sensorline schema`: what is on the topics, and what it looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from pipeline.brokers.protocol import Broker, Poll, Record
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import write_line
from pipeline.errors import ConfigurationError

POLL_S = 1.0


def tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="readings, windows, predictions, shadow, alerts or rejected, or the topic's own name.")],
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest record, not with the next one.")] = False,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at what is now the end, do not wait for more.")] = False,
) -> None:
    """Print the records of a topic as JSON Lines, until interrupted.

    A window has its times as a list and its values as a list of steps, null where a sensor was not observed. A rejected
    record comes with its reason, error, source and original text. Ticks are left out.
    """
    from pipeline.wire.lines import json_line

    chosen = configuration(context)
    names = {**chosen.settings.topics.names(), "shadow": chosen.settings.topics.shadow}
    kind, name = _kind_of(topic, names)
    try:
        with connected(connector(chosen)) as broker:
            for record in follow(broker, name, from_start, until_end):
                line = json_line(kind, record)
                if line is not None:
                    write_line(line)
    except KeyboardInterrupt:
        return


def follow(broker: Broker, topic: str, from_start: bool, until_end: bool) -> Iterator[Record]:
    """The records of every partition: from the oldest or from now on, for ever or up to what is now the end."""
    ends = broker.end_offsets(topic)
    first = dict.fromkeys(ends, 0) if from_start else dict(ends)
    consumer = broker.consumer(topic, None)
    reading: set[int] = set()
    try:
        while not (until_end and reading >= ends.keys() and all(consumer.position(p) >= end for p, end in ends.items())):
            poll = consumer.poll(POLL_S)
            for assignment in poll.assigned:
                reading.add(assignment.partition)
                if not from_start:
                    consumer.seek(assignment.partition, ends.get(assignment.partition, 0))
            yield from _between(poll, first, ends if until_end else {})
    finally:
        consumer.close()


def _between(poll: Poll, first: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Record]:
    for record in poll.records:
        if first.get(record.partition, 0) <= record.offset < ends.get(record.partition, record.offset + 1):
            yield record


def _kind_of(topic: str, names: Mapping[str, str]) -> tuple[str, str]:
    for kind, name in names.items():
        if topic in (kind, name):
            return kind, name
    raise ConfigurationError(f"topic {topic!r} is none of the configuration's: {', '.join(names)} ({', '.join(names.values())})")


def schema(topic: Annotated[str | None, typer.Argument(help="readings, windows, predictions, alerts or rejected.")] = None) -> None:
    """Print the JSON Schema of a topic's records, or of all topics by name."""
    from pipeline.wire.schema import SCHEMAS

    if topic is None:
        write_line(json.dumps({name: make() for name, make in SCHEMAS.items()}, indent=2).encode())
    elif topic in SCHEMAS:
        write_line(json.dumps(SCHEMAS[topic](), indent=2).encode())
    else:
        raise ConfigurationError(f"there is no schema {topic!r}; there are {', '.join(SCHEMAS)}")

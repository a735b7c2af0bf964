"""Bytewax: `collect_window` with `EventClock` and `SessionWindower`, as in the docstrings of `bytewax.operators.windowing`.

Source and sink: the operators of `bytewax.connectors.kafka`, whose docstring also says what to do with errors. Recovery: the
driver starts it by `python -m bytewax.run` with `-r`, `-s` and `-b`, as the guide on recovery says.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, SessionWindower, collect_window

from tests.bench.peers.task import GAP_MS, GRACE_MS, Task, window_bytes

Reading = dict[str, Any]


def event_time(reading: Reading) -> datetime:
    """As the clock wants it."""
    return datetime.fromtimestamp(reading["time"] / 1000, UTC)


def parsed(message: KafkaSourceMessage) -> Reading:
    """The reading in a message."""
    reading: Reading = json.loads(message.value)
    return reading


def parsed_if_possible(message: KafkaSourceMessage) -> Reading | None:
    """For `filter_map`, whose docstring validates so: None for what is no reading."""
    try:
        reading = parsed(message)
        return reading if isinstance(reading["time"], int) else None
    except (ValueError, TypeError, KeyError):
        return None


def build() -> Dataflow:
    """The dataflow that `bytewax.run` looks for under the name `flow`."""
    task = Task.from_environment()
    dataflow = Dataflow("sessions")
    source = kop.input("readings", dataflow, brokers=[task.address], topics=[task.readings])
    op.inspect("errors", source.errs).then(op.raises, "crash-on-err")
    good = op.filter_map("parse", source.oks, parsed_if_possible) if task.hooks else op.map("parse", source.oks, parsed)
    keyed = op.key_on("device", good, lambda reading: str(reading["device"]))
    clock = EventClock(event_time, wait_for_system_duration=timedelta(milliseconds=GRACE_MS))
    found = collect_window("sessions", keyed, clock, SessionWindower(gap=timedelta(milliseconds=GAP_MS)))

    def window(item: tuple[str, tuple[int, list[Reading]]]) -> KafkaSinkMessage[bytes, bytes]:
        device, (_, readings) = item
        return KafkaSinkMessage(device.encode(), window_bytes(device, readings))

    def late(item: tuple[str, tuple[int, Reading]]) -> KafkaSinkMessage[bytes, bytes]:
        device, (_, reading) = item
        return KafkaSinkMessage(device.encode(), json.dumps(reading).encode())

    kop.output("windows", op.map("window", found.down, window), brokers=[task.address], topic=task.windows)
    kop.output("late", op.map("late-reading", found.late, late), brokers=[task.address], topic=task.late)
    return dataflow


flow = build()

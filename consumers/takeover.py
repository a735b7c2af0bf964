"""Taking a group's partitions over while nobody else has them, to write their state and positions anew."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.brokers.protocol import Broker
from pipeline.clock import Clock, SystemClock
from pipeline.errors import SensorlineError
from pipeline.session import Session, SessionOptions
from pipeline.stages.protocol import Accept, Stage

ASSIGNED_WITHIN_S = 30.0


def take_over(connect: Callable[[], Broker], stage: Stage, group: str, accept: Accept, clock: Clock | None = None) -> int:
    """Joins the group, takes over what `accept` allows of every partition, and commits; returns the number of partitions.

    Raises `SensorlineError` where other members of the group have partitions.
    """
    broker, clock = connect(), clock or SystemClock()
    try:
        session = Session(broker, stage, SessionOptions(group, accept=accept, max_records=1), clock)
        partitions = len(broker.end_offsets(stage.source))
        deadline_s = clock.monotonic_s() + ASSIGNED_WITHIN_S
        while not session.partitions and clock.monotonic_s() < deadline_s:
            session.turn()
        if len(session.partitions) < partitions:
            raise SensorlineError(f"group {group} has other members, which hold partitions of {stage.source}: stop them first")
        session.checkpoint()
        session.checkpoint()  # what the first one allowed to be deleted is acknowledged by the second
        session.close()
    finally:
        broker.close()
    return partitions

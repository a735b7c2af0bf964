"""The whole fleet: the deliveries of all machines in order of arrival, in constant memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import attrgetter
from random import Random

from pipeline.records import Reading
from producers.simulator.machine import Machine
from producers.simulator.spec import FleetSpec
from producers.simulator.transport import Delivery, Fate, Transport, fates


def deliveries(spec: FleetSpec) -> Iterator[Delivery]:
    """All that reaches the log, in order of arrival. A device's stream depends on the seed and its index alone, its fate apart."""
    streams = [_device(spec, index, fate) for index, fate in enumerate(fates(spec))]
    return heapq.merge(*streams, key=attrgetter("arrival"))


def _device(spec: FleetSpec, index: int, fate: Fate) -> Iterator[Delivery]:
    # Two generators: how a reading travels does not change what the machine does.
    machine = Machine(spec, Random(f"{spec.seed}:machine:{index}"))
    transport = Transport(spec, spec.device(index), fate, Random(f"{spec.seed}:transport:{index}"))
    for session in machine.sessions():
        yield from transport.deliver(session)


def readings(spec: FleetSpec) -> Iterator[Reading]:
    """The fleet's readings in order of arrival, each with its arrival; equal specs give equal readings."""
    return (delivery.reading for delivery in deliveries(spec))

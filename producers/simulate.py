"""The simulated fleet, to a recording or live to the readings topic. What the fleet does is in `producers.simulator`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.brokers.protocol import Broker
from pipeline.recordings.files import write_recording
from pipeline.recordings.labels import Label, write_labels
from producers.pacing import Pacer
from producers.publishing import send_reading
from producers.simulator.fleet import deliveries, readings
from producers.simulator.spec import OUTPUTS, SENSORS, FleetSpec


def record_fleet(spec: FleetSpec, recording: Path, labels_path: Path | None = None) -> int:
    """Writes the fleet's recording and, where a path is given, its labels (device, time, wear); returns the number of readings.

    The fleet must have an end (`duration_ms`), else this has none.
    """
    if labels_path is not None:
        write_labels(labels_path, fleet_labels(spec), OUTPUTS)
    return write_recording(recording, readings(spec), SENSORS)


def fleet_labels(spec: FleetSpec) -> Iterator[Label]:
    """The wear at each reading of the fleet, once for a reading sent twice."""
    for delivery in deliveries(spec):
        if not delivery.repeated:
            yield Label(delivery.reading.device, delivery.reading.time, {"wear": round(delivery.wear, 6)})


def publish_fleet(broker: Broker, topic: str, spec: FleetSpec, pacer: Pacer) -> int:
    """Publishes the fleet at its real pace, beginning now, until told to stop or its end; returns the number of readings.

    Event time is the devices' clocks, which show now (but for the bad ones). No arrival header: the broker's own time counts.
    Raises `MissingTopic`, and `Transient` where the log did not take what was sent.
    """
    broker.end_offsets(topic)  # a missing topic is known before the first wait
    begun_ms, begun_s = pacer.clock.now_ms(), pacer.clock.monotonic_s()
    publisher = broker.publisher()
    count = unflushed = 0
    try:
        for reading in readings(replace(spec, start_ms=begun_ms)):
            due_s = begun_s + ((reading.arrival or 0) - begun_ms) / 1000
            if unflushed and due_s > pacer.clock.monotonic_s():
                publisher.flush()
                unflushed = 0
            if pacer.stopped_before(due_s):
                break
            send_reading(publisher, topic, reading)
            count += 1
            unflushed += 1
        publisher.flush()
    finally:
        publisher.close()
    return count

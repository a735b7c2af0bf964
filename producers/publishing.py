"""One reading to the readings topic, as every producer here sends it."""

from __future__ import annotations

from pipeline.brokers.protocol import Headers, Message, Publisher
from pipeline.errors import SensorlineError
from pipeline.records import Reading
from pipeline.wire.readings import encode_reading


def send_reading(publisher: Publisher, topic: str, reading: Reading, headers: Headers = ()) -> None:
    """Hands a reading to the publisher under its device's key. Raises `SensorlineError` for one larger than the topic takes."""
    try:
        publisher.send(Message(topic, reading.device.encode(), encode_reading(reading), headers))
    except ValueError as error:
        raise SensorlineError(
            f"reading of {reading.device} at {reading.time}: {error}; leave it out, or let the topic take more"
        ) from error

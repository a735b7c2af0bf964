"""How far a replay had come that was stopped or killed, from what the log holds of it: there is no file that could be wrong.

The publisher keeps the order of each device, so what is there of a device is the beginning of its readings in the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.brokers.protocol import Broker
from pipeline.brokers.reading import read_now
from pipeline.errors import ConfigurationError
from pipeline.records import Reading
from pipeline.wire.headers import is_reset, is_tick, parse_arrival


class Published:
    """What the partitions hold since their last reset."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._topic = topic
        self._resets: dict[int, int] = {}  # arrival of the last reset, by partition
        self._closed: set[int] = set()
        self._devices: dict[int, dict[bytes, tuple[int, int]]] = {}  # by partition and key: number of readings, arrival of the last
        for record in read_now(broker, topic, broker.end_offsets(topic).keys()):
            try:
                arrival, _ = parse_arrival(record)
            except ValueError:  # no replay wrote it
                continue
            partition = record.partition
            if is_reset(record):
                self._resets[partition], self._devices[partition] = arrival, {}
                self._closed.discard(partition)
            elif is_tick(record):
                self._closed.add(partition)
            else:
                devices = self._devices.setdefault(partition, {})
                devices[record.key or b""] = (devices.get(record.key or b"", (0, 0))[0] + 1, arrival)

    def begun(self, first_arrival: int) -> frozenset[int]:
        """The partitions in which the replay has begun. Raises `ConfigurationError` where there are none."""
        begun = frozenset(partition for partition, arrival in self._resets.items() if arrival == first_arrival)
        if not begun:
            raise ConfigurationError(f"topic {self._topic}: holds no beginning of this replay to go on from; leave out --resume")
        return begun

    def is_closed(self, partitions: Iterable[int]) -> bool:
        """All these partitions have their closing tick."""
        return self._closed >= set(partitions)

    def remaining(self, readings: Iterable[tuple[int, Reading]], begun: frozenset[int]) -> Iterator[tuple[int, Reading]]:
        """The pairs (arrival, reading) that are not in the log yet. Raises `ConfigurationError` for another recording's log."""
        there: dict[bytes, tuple[int, int]] = {}
        for partition in begun:
            there |= self._devices[partition]
        passed: dict[bytes, int] = {}
        for arrival, reading in readings:
            key = reading.device.encode()
            count, last = there.get(key, (0, 0))
            number = passed.get(key, 0) + 1
            if number > count:
                yield arrival, reading
                continue
            passed[key] = number
            if number == count and arrival != last:
                raise ConfigurationError(
                    f"topic {self._topic}: reading {count} of {reading.device} there arrived at {last}, in the recording at {arrival}:"
                    " it is not the same recording, --from, --to, --devices and --copies. Replay without --resume"
                )

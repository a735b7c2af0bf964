"""Reading what is in a log now, without a group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pipeline.brokers.protocol import Broker, Record

POLL_S = 1.0


def read_now(broker: Broker, topic: str, partitions: Collection[int]) -> Iterator[Record]:
    """Every record that is in these partitions now, in order within each. Raises `MissingTopic`."""
    starts, ends = broker.start_offsets(topic), broker.end_offsets(topic)
    return _read(
        broker, topic, {partition: range(starts[partition], ends[partition]) for partition in partitions if partition in ends}, ends
    )


def read_between(broker: Broker, topic: str, partition: int, first: int, end: int) -> Iterator[Record]:
    """The records of one partition with offsets from `first` to before `end` that are in the log now. Raises `MissingTopic`."""
    starts, ends = broker.start_offsets(topic), broker.end_offsets(topic)
    return _read(broker, topic, {partition: range(max(first, starts[partition]), min(end, ends[partition]))}, ends)


def _read(broker: Broker, topic: str, wanted: Mapping[int, range], ends: Mapping[int, int]) -> Iterator[Record]:
    """The records at the wanted offsets of each partition. Of other partitions nothing is read: their reader is put at their ends."""
    waiting = {partition for partition, offsets in wanted.items() if offsets}
    if not waiting:
        return
    reader = broker.consumer(topic, None)
    try:
        while waiting:
            poll = reader.poll(POLL_S)
            for partition in [assignment.partition for assignment in poll.assigned]:
                reader.seek(partition, wanted[partition].start if partition in waiting else ends.get(partition, 0))
            yield from [record for record in poll.records if record.offset in wanted.get(record.partition, ())]
            if not poll.assigned:
                waiting = {partition for partition in waiting if reader.position(partition) < wanted[partition].stop}
    finally:
        reader.close()

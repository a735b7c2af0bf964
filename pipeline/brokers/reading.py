"""Reading what is in a log now, without a group."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pipeline.brokers.protocol import Broker, Record

POLL_S = 1.0


def read_now(broker: Broker, topic: str, partitions: Collection[int]) -> Iterator[Record]:
    """Every record that is in these partitions now, in order within each. Raises `MissingTopic`."""
    ends = {partition: end for partition, end in broker.end_offsets(topic).items() if partition in partitions}
    starts = broker.start_offsets(topic)
    waiting = {partition for partition, end in ends.items() if end > starts[partition]}
    if not waiting:
        return
    reader = broker.consumer(topic, None)
    try:
        while waiting:
            poll = reader.poll(POLL_S)
            for record in poll.records:
                if record.offset < ends.get(record.partition, 0):
                    yield record
            if not poll.assigned:
                waiting = {partition for partition in waiting if reader.position(partition) < ends[partition]}
    finally:
        reader.close()


def read_between(broker: Broker, topic: str, partition: int, first: int, end: int) -> Iterator[Record]:
    """The records of one partition with offsets from `first` to before `end` that are in the log now. Raises `MissingTopic`."""
    ends = broker.end_offsets(topic)
    first, end = max(first, broker.start_offsets(topic)[partition]), min(end, ends[partition])
    if first >= end:
        return
    reader = broker.consumer(topic, None)
    try:
        assigned: set[int] = set()
        while partition not in assigned or reader.position(partition) < end:
            poll = reader.poll(POLL_S)
            for assignment in poll.assigned:
                reader.seek(assignment.partition, first if assignment.partition == partition else ends.get(assignment.partition, 0))
                assigned.add(assignment.partition)
            yield from [record for record in poll.records if record.partition == partition and first <= record.offset < end]
    finally:
        reader.close()

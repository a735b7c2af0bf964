"""Which partition a record goes to, for the brokers that sensorline keeps itself (memory, SQLite).

The hash is stable across processes, machines and versions: a device must never move to another partition. Kafka's own
partitioner is another one, and nothing may depend on both being equal.
"""

from __future__ import annotations

import zlib

from pipeline.brokers.protocol import Message


def choose_partition(message: Message, partitions: int) -> int:
    """The message's own partition, else the one its key hashes to; without a key its value spreads it.

    Raises `ValueError` for a partition that the topic has not.
    """
    if message.partition is None:
        text = message.key if message.key is not None else message.value
        return zlib.crc32(text or b"") % partitions
    if not 0 <= message.partition < partitions:
        raise ValueError(f"topic {message.topic!r} has partitions 0 to {partitions - 1}, not {message.partition}")
    return message.partition

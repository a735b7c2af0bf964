"""What the brokers that sensorline keeps itself (memory, SQLite) refuse, so that both refuse the same as Kafka does.

Pure checks: no log, no library.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.brokers.protocol import Message, Position, TopicSettings
from pipeline.errors import LostPartitions, MissingTopic

MAX_METADATA_CHARACTERS = 4096
RECORD_OVERHEAD_BYTES = 32  # what a log stores beside key, value and headers: offset, timestamp, lengths
HEADER_OVERHEAD_BYTES = 10  # lengths of a header's name and value, at most


def missing_topic(name: str) -> MissingTopic:
    """The error for a topic that is not there, or no longer."""
    return MissingTopic(f"topic {name!r} is not there; `sensorline topics create` makes the topics of the configuration")


def size_bytes(message: Message) -> int:
    """What a message takes in the log, bytes."""
    headers = sum([HEADER_OVERHEAD_BYTES + len(name.encode()) + len(value) for name, value in message.headers])
    return RECORD_OVERHEAD_BYTES + len(message.key or b"") + len(message.value or b"") + headers


def check_message(message: Message, settings: TopicSettings) -> int:
    """The size of a message that the topic takes, bytes; raises `ValueError` for one that it does not."""
    if message.key is None and message.value is None:
        raise ValueError(f"a record for topic {message.topic!r} has neither key nor value")
    if message.key is None and settings.compacted:
        raise ValueError(f"topic {message.topic!r} is compacted: each record needs a key")
    size = size_bytes(message)
    if size > settings.max_message_bytes:
        raise ValueError(f"a record of {size} bytes is larger than topic {message.topic!r} takes ({settings.max_message_bytes} bytes)")
    return size


def check_settings(settings: TopicSettings) -> None:
    """Raises `ValueError` for a topic that cannot be."""
    if not settings.name or settings.partitions < 1:
        raise ValueError(f"a topic needs a name and at least one partition: {settings}")


def check_positions(positions: Sequence[Position]) -> None:
    """Raises `ValueError` for positions that cannot be committed."""
    for position in positions:
        if position.offset < 0 or len(position.metadata) > MAX_METADATA_CHARACTERS:
            raise ValueError(f"an offset is at least 0 and its metadata has at most {MAX_METADATA_CHARACTERS} characters: {position}")


def check_commit(group: str | None, topic: str, positions: Sequence[Position], held: frozenset[int]) -> str:
    """The group of a member that holds the partitions `held` and commits these positions.

    Raises `ValueError` for a reader without a group and for positions that cannot be committed; `LostPartitions` for
    partitions that the member does not hold.
    """
    if group is None:
        raise ValueError("a reader without a group has nothing to commit to")
    check_positions(positions)
    not_held = {position.partition for position in positions} - held
    if not_held:
        raise LostPartitions(f"group {group!r}: partitions {sorted(not_held)} of {topic!r} are not this member's")
    return group

"""What a log is to the rest of sensorline: topics with partitions, publishing with acknowledgement, consumer groups.

Three implementations keep this contract, checked by one suite (`tests/brokers/`): memory, SQLite, Kafka. No broker's
library, no clock and no codec is known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

Headers = tuple[tuple[str, bytes], ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record read from a topic. `timestamp` is milliseconds since the epoch, as the broker stamped it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Message(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. Without a partition the key chooses it; equal keys go to the same partition."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class TopicSettings(msgspec.Struct, frozen=True):
    """A topic and the settings that sensorline relies on."""

    name: str
    partitions: int
    retention_ms: int | None = None  # None: for ever
    compacted: bool = False  # keep at least the last record of each key; a null value deletes the key
    log_append_time: bool = True  # the broker stamps records; False: the client does
    max_message_bytes: int = 1_048_576


class Position(msgspec.Struct, frozen=True):
    """A committed place in a partition: the offset of the next record to read, and a note of at most 4,096 characters."""

    partition: int
    offset: int
    metadata: str = ""


class Assignment(msgspec.Struct, frozen=True):
    """A partition that is now this consumer's; `committed` is None where the group never committed.

    Reading starts at the committed offset, else at the start of the log.
    """

    partition: int
    committed: Position | None


class Poll(msgspec.Struct, frozen=True):
    """What happened since the last poll, to be taken in this order: revoked, assigned, records.

    Records of one partition come in the order of their offsets; none comes from a partition not assigned.
    """

    revoked: tuple[int, ...] = ()
    assigned: tuple[Assignment, ...] = ()
    records: Sequence[Record] = ()


class Consumer(Protocol):
    """One member of a consumer group on one topic, or (without a group) a reader of all its partitions."""

    def poll(self, timeout_s: float) -> Poll:
        """Waits at most `timeout_s` for something to happen. Raises `Transient` when the consumer must be replaced."""
        ...

    def position(self, partition: int) -> int:
        """Offset of the next record that `poll` will give."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Makes `offset` the next to be read."""
        ...

    def commit(self, positions: Sequence[Position]) -> None:
        """Stores the group's positions. Raises `LostPartitions` where a partition is no longer this member's."""
        ...

    def close(self) -> None:
        """Leaves the group. Idempotent."""
        ...


class Publisher(Protocol):
    """Publishes in order per partition."""

    def send(self, message: Message) -> None:
        """Hands over one message; blocks while too much is in flight. The log has it only after `flush` has returned.

        Raises `MissingTopic`; `ValueError` for a message larger than the topic takes.
        """
        ...

    def flush(self) -> None:
        """Returns when the log has acknowledged all that was sent.

        Raises `Transient` when it has not; then any part of it may be in the log, and the publisher must be replaced.
        """
        ...

    def close(self) -> None:
        """Flushes nothing; frees what it holds. Idempotent."""
        ...


class Broker(Protocol):
    """One connection to a log; used by one thread at a time. Publishers and consumers made by it belong to it."""

    atomic: bool  # whether what is flushed and committed inside a `transaction` takes effect together or not at all

    def topics(self) -> Mapping[str, TopicSettings]:
        """All topics with their settings."""
        ...

    def create_topic(self, settings: TopicSettings) -> bool:
        """Creates the topic; False where it is there already (its settings are left as they are)."""
        ...

    def delete_topic(self, name: str) -> bool:
        """Deletes the topic; False where there was none."""
        ...

    def grow_topic(self, name: str, partitions: int) -> None:
        """Adds empty partitions until there are so many; keys may go to other partitions after it. Raises `MissingTopic`."""
        ...

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        """Offset of the first record still in the log, by partition. Raises `MissingTopic`."""
        ...

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        """Offset that the next record will get, by partition. Raises `MissingTopic`."""
        ...

    def publisher(self) -> Publisher:
        """A publisher to any topic."""
        ...

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        """Joins `group` on `topic` (a new group starts at the start of the log); `max_records` bounds one poll.

        With no group: reads every partition from the start of the log, and `commit` is a `ValueError`.
        Raises `MissingTopic`.
        """
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Makes what is flushed and committed inside it atomic where the broker is `atomic` (SQLite, memory); else does nothing.

        It may hold the log's only write lock: do no work inside it.
        """
        ...

    def close(self) -> None:
        """Closes every publisher and consumer made here. Idempotent."""
        ...

"""The store of the memory broker: topics, committed positions, and which member holds which partition.

Every method is one atomic step under one lock. Nothing happens by itself: compaction, the end of what was read, and the death of a
member are calls; retention is not kept. Connections to it are in `pipeline.brokers.memory`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from pipeline.brokers.admission import missing_topic
from pipeline.brokers.memory_partition import MemoryPartition
from pipeline.brokers.protocol import Assignment, Message, Poll, Position, Record, TopicSettings
from pipeline.clock import Clock
from pipeline.errors import LostPartitions


@dataclass
class _Topic:
    id: int  # a topic that was deleted and created again is another one
    settings: TopicSettings
    partitions: list[MemoryPartition]


@dataclass(frozen=True)
class Append:
    """A message on its way into a partition."""

    message: Message
    partition: int


@dataclass(frozen=True)
class Commit:
    """A position on its way to being the group's; `member` is who says so."""

    group: str
    topic: str
    position: Position
    member: object


Change = Append | Commit


class MemoryLog:
    """What all brokers of a process share."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ids = count()
        self._topics: dict[str, _Topic] = {}
        self._committed: dict[tuple[str, str, int], Position] = {}
        self._owners: dict[tuple[str, str, int], object] = {}

    def compact(self, topic: str) -> None:
        """Removes each record that a later one of its key follows, and null values.

        Raises `MissingTopic`; `ValueError` for a topic that is not compacted.
        """
        with self._changed:
            if not self._topic(topic).settings.compacted:
                raise ValueError(f"topic {topic!r} is not compacted")
            for partition in self._topic(topic).partitions:
                partition.compact()

    def evict(self, group: str, partitions: Collection[int] | None = None) -> None:
        """Takes partitions (None: all) from the members of a group, as a broker does with members it no longer hears from.

        A member that is alive after all learns of it at its next poll (revoked) or commit (`LostPartitions`).
        """
        with self._changed:
            for place in list(self._owners):
                if place[0] == group and (partitions is None or place[2] in partitions):
                    del self._owners[place]
            self._changed.notify_all()

    def settings(self) -> Mapping[str, TopicSettings]:
        """All topics."""
        with self._changed:
            return {name: topic.settings for name, topic in self._topics.items()}

    def topic_id(self, name: str) -> int:
        """Tells a topic from an earlier one of the same name. Raises `MissingTopic`."""
        with self._changed:
            return self._topic(name).id

    def create(self, settings: TopicSettings) -> bool:
        """False where the topic is there already."""
        with self._changed:
            if settings.name in self._topics:
                return False
            self._topics[settings.name] = _Topic(next(self._ids), settings, [MemoryPartition() for _ in range(settings.partitions)])
            return True

    def grow(self, name: str, partitions: int) -> None:
        """Adds empty partitions until there are so many. Raises `MissingTopic`."""
        with self._changed:
            topic = self._topic(name)
            topic.partitions += [MemoryPartition() for _ in range(len(topic.partitions), partitions)]
            topic.settings = msgspec.structs.replace(topic.settings, partitions=len(topic.partitions))
            self._changed.notify_all()

    def delete(self, name: str) -> bool:
        """Deletes a topic and what groups committed on it; False where there was none."""
        with self._changed:
            existed = self._topics.pop(name, None) is not None
            self._committed = {place: position for place, position in self._committed.items() if place[1] != name}
            self._owners = {place: member for place, member in self._owners.items() if place[1] != name}
            self._changed.notify_all()
            return existed

    def starts(self, topic: str) -> dict[int, int]:
        """Offset of the first record, by partition. Raises `MissingTopic`."""
        with self._changed:
            return {number: partition.start for number, partition in enumerate(self._topic(topic).partitions)}

    def ends(self, topic: str) -> dict[int, int]:
        """Offset of the next record, by partition. Raises `MissingTopic`."""
        with self._changed:
            return {number: partition.end for number, partition in enumerate(self._topic(topic).partitions)}

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Records from `offset` on."""
        with self._changed:
            return self._topic(topic).partitions[partition].read(offset, limit)

    def take(self, topic: str) -> list[Record]:
        """Removes all records of a topic, and gives them: for who keeps the log small once all its readers have read them."""
        with self._changed:
            return [record for partition in self._topic(topic).partitions for record in partition.take()]

    def wait_for(self, take: Callable[[], Poll | None], timeout_s: float) -> Poll:
        """The first that `take` gives, called now and after every change; an empty poll when the time is over."""
        with self._changed:
            return self._changed.wait_for(take, timeout_s) or Poll()

    def claim(self, group: str, topic: str, member: object) -> list[Assignment]:
        """Gives the member every partition that nobody holds."""
        with self._changed:
            places = [(group, topic, number) for number in range(len(self._topic(topic).partitions))]
            free = [place for place in places if place not in self._owners]
            self._owners |= dict.fromkeys(free, member)
            return [Assignment(place[2], self._committed.get(place)) for place in free]

    def owned(self, group: str, topic: str, member: object) -> frozenset[int]:
        """The partitions that the member holds."""
        with self._changed:
            return frozenset(p for (g, t, p), owner in self._owners.items() if (g, t) == (group, topic) and owner is member)

    def release(self, member: object) -> None:
        """Frees all that the member holds."""
        with self._changed:
            self._owners = {place: owner for place, owner in self._owners.items() if owner is not member}
            self._changed.notify_all()

    def check(self, change: Change) -> None:
        """Raises `MissingTopic` or `LostPartitions` for a change that cannot be."""
        with self._changed:
            match change:
                case Append(message):
                    self._topic(message.topic)
                case Commit(group, topic, position, member):
                    self._topic(topic)
                    if self._owners.get((group, topic, position.partition)) is not member:
                        raise LostPartitions(f"group {group!r}: partition {position.partition} of {topic!r} is not this member's")

    def apply(self, changes: Sequence[Change]) -> None:
        """Makes all changes or, where one cannot be, none. Raises as `check` does."""
        with self._changed:
            for change in changes:
                self.check(change)
            now_ms = self._clock.now_ms()
            for change in changes:
                self._apply(change, now_ms)
            self._changed.notify_all()

    def _apply(self, change: Change, now_ms: int) -> None:
        match change:
            case Append(message, number):
                topic = self._topics[message.topic]
                partition = topic.partitions[number]
                last = partition.last_timestamp if topic.settings.log_append_time else now_ms
                partition.append(message, number, max(now_ms, last))
            case Commit(group, name, position):
                self._committed[group, name, position.partition] = position

    def _topic(self, name: str) -> _Topic:
        try:
            return self._topics[name]
        except KeyError:
            raise missing_topic(name) from None

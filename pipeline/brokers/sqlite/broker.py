"""A connection to a SQLite log; implements `pipeline.brokers.protocol.Broker`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.brokers.admission import check_settings, missing_topic
from pipeline.brokers.protocol import TopicSettings
from pipeline.brokers.sqlite import cleaning, log
from pipeline.brokers.sqlite.consumer import SqliteConsumer
from pipeline.brokers.sqlite.database import Database
from pipeline.brokers.sqlite.publisher import SqlitePublisher
from pipeline.brokers.sqlite.topics import Topic, create, delete, find, find_all, grow
from pipeline.clock import Clock

BUSY_TIMEOUT_S = 10.0


class SqliteBroker:
    """One connection to the log in the file at `path`, which is made where it is missing.

    Raises `BrokerUnreachable` for a path that cannot be a log; any call raises `Transient` when the file stays locked
    for longer than `busy_timeout_s`, or the disk is full.
    """

    atomic = True

    def __init__(self, path: Path, clock: Clock, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._database = Database(path, busy_timeout_s)
        self._clock = clock
        self._consumers: list[SqliteConsumer] = []

    def topics(self) -> Mapping[str, TopicSettings]:
        return {topic.settings.name: topic.settings for topic in find_all(self._database)}

    def create_topic(self, settings: TopicSettings) -> bool:
        check_settings(settings)
        with self._database.write() as connection:
            return create(connection, settings)

    def delete_topic(self, name: str) -> bool:
        with self._database.write() as connection:
            return delete(connection, name)

    def grow_topic(self, name: str, partitions: int) -> None:
        topic = self._topic(name)
        with self._database.write() as connection:
            grow(connection, topic, partitions)

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        return log.start_offsets(self._database, self._topic(topic))

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        return log.end_offsets(self._database, self._topic(topic))

    def _topic(self, name: str) -> Topic:
        topic = find(self._database, name)
        if topic is None:
            raise missing_topic(name)
        return topic

    def publisher(self) -> SqlitePublisher:
        return SqlitePublisher(self._database, self._clock)

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> SqliteConsumer:
        consumer = SqliteConsumer(self._database, self._topic(topic), group, max_records)
        self._consumers.append(consumer)
        return consumer

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes all that is flushed and committed inside one SQLite transaction; holds the file's only write lock."""
        with self._database.write():
            yield

    def compact(self, topic: str) -> None:
        """Compacts a topic now; publishers do it now and then. Raises `MissingTopic`, or `ValueError` if it is not compacted."""
        found = self._topic(topic)
        if not found.settings.compacted:
            raise ValueError(f"topic {topic!r} is not compacted")
        more = True
        while more:
            with self._database.write() as connection:
                more = cleaning.compact(connection, found, self._clock.now_ms())

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()
        self._database.close()

"""Publishing to a SQLite log."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from pipeline.brokers.admission import check_message, missing_topic
from pipeline.brokers.partitioner import choose_partition
from pipeline.brokers.protocol import Message
from pipeline.brokers.sqlite import log
from pipeline.brokers.sqlite.cleaning import Cleaner
from pipeline.brokers.sqlite.database import Database
from pipeline.brokers.sqlite.topics import Topic, find, find_all
from pipeline.clock import Clock
from pipeline.errors import MissingTopic

MAX_WAITING_RECORDS = 50_000
MAX_WAITING_BYTES = 64 * 1024 * 1024


class SqlitePublisher:
    """A `Publisher`. What was sent waits here; `flush` writes it in one transaction, or as part of the broker's.

    Beyond the bounds above `send` writes what waits before it goes on; who needs all of a step's outputs in one
    transaction, however many they are, sends them inside it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._cleaner = Cleaner(clock)
        self._topics: dict[str, Topic] = {}
        self._forget_waiting()

    def _forget_waiting(self) -> None:
        self._waiting: dict[tuple[str, int], list[Message]] = {}
        self._waiting_records = 0
        self._waiting_bytes = 0

    def send(self, message: Message) -> None:
        settings = self._topic(message.topic).settings
        size = check_message(message, settings)
        place = (message.topic, choose_partition(message, settings.partitions))
        if self._waiting_records >= MAX_WAITING_RECORDS or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self.flush()
        self._waiting.setdefault(place, []).append(message)
        self._waiting_records += 1
        self._waiting_bytes += size

    def _topic(self, name: str) -> Topic:
        topic = self._topics.get(name) or find(self._database, name)
        if topic is None:
            raise missing_topic(name)
        self._topics[name] = topic
        return topic

    def flush(self) -> None:
        waiting = self._waiting
        self._forget_waiting()
        if not waiting:
            return
        try:
            with self._database.write() as connection:
                self._write(connection, waiting)
        except MissingTopic:
            self._topics.clear()  # a topic that was deleted may have been created again
            raise

    def _write(self, connection: sqlite3.Connection, waiting: Mapping[tuple[str, int], Sequence[Message]]) -> None:
        now_ms = self._clock.now_ms()
        for (name, partition), messages in waiting.items():
            log.append(connection, self._topics[name], partition, messages, now_ms)
        if self._cleaner.due:
            self._cleaner.clean(connection, find_all(self._database))

    def close(self) -> None:
        self._forget_waiting()

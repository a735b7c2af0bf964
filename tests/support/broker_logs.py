"""A log of any kind under test: opening connections to it, and reading from it until what is waited for has come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from uuid import uuid4

from pipeline.brokers.protocol import Assignment, Broker, Consumer, Message, Poll, Record, TopicSettings
from pipeline.clock import ManualClock

PATIENCE_POLLS = 20  # of a second each: only a broker that does not do what it must needs them all
_numbers = count()


def unique_name(what: str) -> str:
    """A name that no other test uses: one Kafka serves them all."""
    return f"{what}-{next(_numbers)}-{uuid4().hex[:8]}"


@dataclass
class LogUnderTest:
    """One log and the connections that a test opened to it."""

    kind: str
    open_broker: Callable[[], Broker]
    compact: Callable[[str], None]  # returns at once where the broker compacts when it likes
    clock: ManualClock | None  # None: a clock that no test can move
    connections: ExitStack = field(default_factory=ExitStack)

    def connect(self) -> Broker:
        """A new connection, closed at the end of the test."""
        broker = self.open_broker()
        self.connections.callback(broker.close)
        return broker

    def topic(self, partitions: int = 1, *, compacted: bool = False, max_message_bytes: int = 1_048_576) -> str:
        """A new topic."""
        name = unique_name("topic")
        settings = TopicSettings(name, partitions, compacted=compacted, max_message_bytes=max_message_bytes)
        assert self.connect().create_topic(settings)
        return name


def publish(broker: Broker, *messages: Message) -> None:
    """Publishes messages and returns when the log has them."""
    publisher = broker.publisher()
    for message in messages:
        publisher.send(message)
    publisher.flush()
    publisher.close()


def values(topic: str, *texts: str, key: bytes | None = b"key", partition: int | None = None) -> list[Message]:
    """Messages with these values."""
    return [Message(topic, key, text.encode(), partition=partition) for text in texts]


def texts(records: list[Record]) -> list[str]:
    """The values of records."""
    return [(record.value or b"").decode() for record in records]


def polls_until(consumer: Consumer, enough: Callable[[list[Poll]], bool]) -> list[Poll]:
    """Polls until it is enough."""
    polls: list[Poll] = []
    for _ in range(PATIENCE_POLLS):
        polls.append(consumer.poll(1.0))
        if enough(polls):
            return polls
    raise AssertionError(f"not enough after {PATIENCE_POLLS} polls: {[poll for poll in polls if not is_empty(poll)]}")


def read(consumer: Consumer, number: int) -> list[Record]:
    """Polls until at least so many records have come, and returns all that came."""
    return records_of(polls_until(consumer, lambda polls: len(records_of(polls)) >= number))


def join(consumer: Consumer, partitions: int = 1) -> list[Assignment]:
    """Polls until so many partitions are assigned; for topics without records, or whose records do not matter yet."""
    return assigned_by(polls_until(consumer, lambda polls: len(assigned_by(polls)) >= partitions))


def woken_by(event: Callable[[], object], consumer: Consumer) -> Poll:
    """What a waiting poll gives when the event happens. It has minutes to wait, and must not wait for them to be over."""
    polls: list[Poll] = []
    waiting = threading.Thread(target=lambda: polls.append(consumer.poll(120.0)), daemon=True)
    happening = threading.Timer(0.1, event)
    waiting.start()
    happening.start()
    happening.join()
    waiting.join(60.0)
    assert polls, "the poll sleeps on"
    return polls[0]


def is_empty(poll: Poll) -> bool:
    """Nothing happened."""
    return not (poll.revoked or poll.assigned or poll.records)


def records_of(polls: list[Poll]) -> list[Record]:
    """All records of some polls."""
    return [record for poll in polls for record in poll.records]


def assigned_by(polls: list[Poll]) -> list[Assignment]:
    """All assignments of some polls, by partition."""
    return sorted((assignment for poll in polls for assignment in poll.assigned), key=lambda assignment: assignment.partition)

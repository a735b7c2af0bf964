"""A log in memory and a clock moved only by waiting, for producers driven by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.brokers.memory import MemoryBroker
from pipeline.brokers.protocol import Message, Record, TopicSettings
from pipeline.clock import ManualClock
from producers.pacing import Pacer

TOPIC = "readings"
PARTITIONS = 3
NOW_MS = 1_767_225_600_000


@dataclass
class Hand:
    """A stop signal whose waits move the clock, and that stops at `stop_at_s` seconds after the start."""

    clock: ManualClock
    stop_at_s: float = float("inf")
    waits: list[float] = field(default_factory=list)
    begun_s: float = NOW_MS / 1000

    def is_set(self) -> bool:
        return self.clock.monotonic_s() - self.begun_s >= self.stop_at_s

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        self.clock.advance(max(1, round(timeout * 1000)))
        return self.is_set()


@dataclass
class Bench:
    """A topic of three partitions, and what drives a producer to it."""

    clock: ManualClock
    broker: MemoryBroker
    hand: Hand

    @property
    def pacer(self) -> Pacer:
        return Pacer(self.clock, self.hand)

    def create(self) -> None:
        """Creates the topic."""
        self.broker.create_topic(TopicSettings(TOPIC, PARTITIONS, max_message_bytes=1_000))

    def republish(self, records: list[Record]) -> None:
        """Publishes records as they were, to the partitions in which they were."""
        self.publish(*[Message(TOPIC, record.key, record.value, record.headers, record.partition) for record in records])

    def publish(self, *messages: Message) -> None:
        publisher = self.broker.publisher()
        for message in messages:
            publisher.send(message)
        publisher.flush()
        publisher.close()

    def records(self, partition: int | None = None) -> list[Record]:
        """All records of the topic, in the order of each partition."""
        expected = sum(self.broker.end_offsets(TOPIC).values())
        consumer = self.broker.consumer(TOPIC, None)
        records: list[Record] = []
        while len(records) < expected:
            records += consumer.poll(0).records
        consumer.close()
        return [record for record in records if partition in (None, record.partition)]

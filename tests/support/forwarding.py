"""A broker that passes everything on to another one: what those begin with that do something besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from pipeline.brokers.protocol import Broker, Consumer, Message, Poll, Position, Publisher, TopicSettings


class ForwardingBroker:
    """A `Broker`."""

    def __init__(self, inner: Broker) -> None:
        self.atomic = inner.atomic
        self._inner = inner

    def topics(self) -> Mapping[str, TopicSettings]:
        return self._inner.topics()

    def create_topic(self, settings: TopicSettings) -> bool:
        return self._inner.create_topic(settings)

    def delete_topic(self, name: str) -> bool:
        return self._inner.delete_topic(name)

    def grow_topic(self, name: str, partitions: int) -> None:
        self._inner.grow_topic(name, partitions)

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        return self._inner.start_offsets(topic)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        return self._inner.end_offsets(topic)

    def publisher(self) -> Publisher:
        return self._inner.publisher()

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        return self._inner.consumer(topic, group, max_records)

    def transaction(self) -> AbstractContextManager[None]:
        return self._inner.transaction()

    def close(self) -> None:
        self._inner.close()


class ForwardingConsumer:
    """A `Consumer`."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    def poll(self, timeout_s: float) -> Poll:
        return self._inner.poll(timeout_s)

    def position(self, partition: int) -> int:
        return self._inner.position(partition)

    def seek(self, partition: int, offset: int) -> None:
        self._inner.seek(partition, offset)

    def commit(self, positions: Sequence[Position]) -> None:
        self._inner.commit(positions)

    def close(self) -> None:
        self._inner.close()


class ForwardingPublisher:
    """A `Publisher`."""

    def __init__(self, inner: Publisher) -> None:
        self._inner = inner

    def send(self, message: Message) -> None:
        self._inner.send(message)

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self._inner.close()

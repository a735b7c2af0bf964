"""One connection to a Kafka cluster: opens, hands out and closes the clients. What they do is in their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from kafka import KafkaConsumer, KafkaProducer

from pipeline.brokers.admission import check_settings
from pipeline.brokers.kafka.admin import Admin, open_admin
from pipeline.brokers.kafka.faults import translating
from pipeline.brokers.kafka.member import GroupMember
from pipeline.brokers.kafka.preflight import preflight
from pipeline.brokers.kafka.publisher import KafkaPublisher
from pipeline.brokers.kafka.reader import TopicReader
from pipeline.brokers.kafka.settings import (
    KafkaOptions,
    client_settings,
    consumer_settings,
    member_settings,
    producer_settings,
    tls_context,
)
from pipeline.brokers.protocol import Consumer, Publisher, TopicSettings
from pipeline.clock import Clock


class KafkaBroker:
    """A `Broker` on Apache Kafka 2.4 or later.

    Opening it takes at most about 15 s. Raises `BrokerUnreachable` with what is wrong, and `ConfigurationError` for
    options that cannot be.
    """

    atomic = False

    def __init__(self, bootstrap: tuple[str, ...], options: KafkaOptions, clock: Clock) -> None:
        context = tls_context(options)
        preflight(bootstrap, options, context)
        self._options = options
        self._clock = clock
        self._settings = client_settings(bootstrap, options, context)
        self._admin_client = open_admin(bootstrap, options, context)
        self._admin = Admin(self._admin_client, clock)
        self._opened: list[GroupMember | TopicReader | KafkaPublisher] = []

    def topics(self) -> Mapping[str, TopicSettings]:
        return self._admin.all()

    def create_topic(self, settings: TopicSettings) -> bool:
        check_settings(settings)
        return self._admin.create(settings)

    def delete_topic(self, name: str) -> bool:
        return self._admin.delete(name)

    def grow_topic(self, name: str, partitions: int) -> None:
        self._admin.grow(name, partitions)

    def start_offsets(self, topic: str) -> Mapping[int, int]:
        return self._admin.start_offsets(topic)

    def end_offsets(self, topic: str) -> Mapping[int, int]:
        return self._admin.end_offsets(topic)

    def publisher(self) -> Publisher:
        with translating("opening a producer"):
            producer = KafkaProducer(**self._settings | producer_settings(self._options))
        publisher = KafkaPublisher(producer, self._admin.one, self._options.delivery_timeout_ms, self._clock)
        self._remember(publisher)
        return publisher

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        starts = self._admin.start_offsets(topic)
        settings = self._settings | consumer_settings(max_records)
        consumer: GroupMember | TopicReader
        with translating(f"opening a consumer of topic {topic!r}"):
            if group is None:
                consumer = TopicReader(KafkaConsumer(**settings), topic, starts, self._admin, self._clock)
            else:
                client = KafkaConsumer(**settings | member_settings(group, self._options))
                consumer = GroupMember(client, topic, group, self._admin, self._clock)
        self._remember(consumer)
        return consumer

    def transaction(self) -> AbstractContextManager[None]:
        """Nothing: what is written here is recognisable when it comes twice. See `pipeline/DESIGN.md` on recovery."""
        return nullcontext()

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
        self._admin_client.close()

    def _remember(self, client: GroupMember | TopicReader | KafkaPublisher) -> None:
        """Clients are replaced after each failure: those that are closed are forgotten."""
        self._opened = [opened for opened in self._opened if not opened.closed]
        self._opened.append(client)

"""Topics, offsets and groups, asked of the broker each time: nothing here is remembered.

The first client of a process is made here, with the library's own logs captured, because only they say why it cannot be.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, OffsetSpec, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from pipeline.brokers.admission import missing_topic
from pipeline.brokers.kafka.faults import describe, translating
from pipeline.brokers.kafka.settings import CALL_TIMEOUT_MS, KafkaOptions, client_settings
from pipeline.brokers.protocol import TopicSettings
from pipeline.clock import Clock
from pipeline.errors import BrokerUnreachable, Transient

_capturing = threading.Lock()

_BOOTSTRAP_MS = 8_000
_USABLE_TIMEOUT_S = 15.0
_CONFIGS = ("retention.ms", "cleanup.policy", "message.timestamp.type", "max.message.bytes")
# A restart reads the whole state topic of a partition: small segments are compacted soon, and without a lag.
_COMPACTION = {"min.compaction.lag.ms": "0", "segment.ms": "600000", "segment.bytes": "67108864"}


def open_admin(bootstrap: tuple[str, ...], options: KafkaOptions, context: ssl.SSLContext | None) -> Any:
    """A connected admin client; to be closed by the caller. Raises `BrokerUnreachable` with the reason from the logs.

    Bootstrapping asks the addresses of the configuration; everything after it the addresses that the brokers advertise.
    """
    settings = client_settings(bootstrap, options, context) | {"bootstrap_timeout_ms": _BOOTSTRAP_MS}
    with _captured_logs() as lines:
        try:
            client = KafkaAdminClient(**settings)
        except (KafkaError, OSError) as error:
            reason = lines[-1] if lines else describe(error)
            raise BrokerUnreachable(f"{', '.join(bootstrap)}: no Kafka client can be opened: {reason}") from error
        try:
            client.describe_cluster()
        except (KafkaError, OSError) as error:
            client.close()
            reason = lines[-1] if lines else describe(error)
            message = "answers, but the address that it gives to clients (advertised.listeners) cannot be used"
            raise BrokerUnreachable(f"{', '.join(bootstrap)}: {message}: {reason}") from error
    return client


class Admin:
    """The topics and groups of a cluster, through one admin client."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def all(self) -> Mapping[str, TopicSettings]:
        """Every topic but Kafka's own."""
        with translating("reading the topics"):
            described = [topic for topic in self._client.describe_topics() if _is_ours(topic)]
            return self._with_settings(described)

    def one(self, name: str) -> TopicSettings:
        """Raises `MissingTopic`."""
        with translating(f"reading topic {name!r}"):
            return self._with_settings([self._describe(name)])[name]

    def create(self, settings: TopicSettings) -> bool:
        """Returns when every partition has a leader; False where the topic was there."""
        request = {"num_partitions": settings.partitions, "configs": _configs(settings)}
        with translating(f"creating topic {settings.name!r}"):
            try:
                self._client.create_topics({settings.name: request}, timeout_ms=int(_USABLE_TIMEOUT_S * 1000))
            except TopicAlreadyExistsError:
                return False
            self._client.wait_for_topics([settings.name], timeout_ms=int(_USABLE_TIMEOUT_S * 1000))
        return True

    def delete(self, name: str) -> bool:
        """Returns when the topic is gone from the broker's metadata; False where there was none."""
        with translating(f"deleting topic {name!r}"):
            try:
                self._client.delete_topics([name])
            except UnknownTopicOrPartitionError:
                return False
            deadline = self._clock.monotonic_s() + _USABLE_TIMEOUT_S
            while name in self._client.list_topics():
                if self._clock.monotonic_s() > deadline:
                    raise Transient(f"deleting topic {name!r}: it is still there after {_USABLE_TIMEOUT_S:g} s")
        return True

    def grow(self, name: str, partitions: int) -> None:
        """Returns when every partition has a leader. Raises `MissingTopic`."""
        if len(self.partitions(name)) >= partitions:
            return
        with translating(f"adding partitions to topic {name!r}"):
            self._client.create_partitions({name: partitions}, timeout_ms=int(_USABLE_TIMEOUT_S * 1000))
            self._client.wait_for_topics([name], timeout_ms=int(_USABLE_TIMEOUT_S * 1000))
        deadline = self._clock.monotonic_s() + _USABLE_TIMEOUT_S
        while len(self.partitions(name)) < partitions:
            if self._clock.monotonic_s() > deadline:
                raise Transient(f"adding partitions to topic {name!r}: they are not there after {_USABLE_TIMEOUT_S:g} s")

    def partitions(self, name: str) -> Sequence[int]:
        """The topic's partitions. Raises `MissingTopic`."""
        with translating(f"reading topic {name!r}"):
            return sorted(partition["partition_index"] for partition in self._describe(name)["partitions"])

    def start_offsets(self, name: str) -> Mapping[int, int]:
        """Offset of the first record, by partition. Raises `MissingTopic`."""
        return self._offsets(name, OffsetSpec.EARLIEST)

    def end_offsets(self, name: str) -> Mapping[int, int]:
        """Offset of the next record, by partition. Raises `MissingTopic`."""
        return self._offsets(name, OffsetSpec.LATEST)

    def is_gathering(self, group: str) -> bool:
        """Whether the broker is waiting for members of the group to join."""
        with translating(f"reading the state of group {group!r}"):
            state: str = self._client.describe_groups([group])[group]["group_state"]
        return state == "PreparingRebalance"

    def _offsets(self, name: str, spec: Any) -> Mapping[int, int]:
        asked = {TopicPartition(name, partition): spec for partition in self.partitions(name)}
        with translating(f"reading the offsets of topic {name!r}"):
            try:
                found = self._client.list_partition_offsets(asked, timeout_ms=CALL_TIMEOUT_MS)
            except UnknownTopicOrPartitionError as error:  # deleted in between
                raise missing_topic(name) from error
        return {place.partition: answer.offset for place, answer in found.items()}

    def _describe(self, name: str) -> dict[str, Any]:
        topic: dict[str, Any] = self._client.describe_topics([name])[0]
        if topic["error_code"] == UnknownTopicOrPartitionError.errno or not topic["partitions"]:
            raise missing_topic(name)
        return topic

    def _with_settings(self, described: Sequence[dict[str, Any]]) -> dict[str, TopicSettings]:
        if not described:
            return {}
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic["name"], list(_CONFIGS)) for topic in described]
        configs = self._client.describe_configs(asked, config_filter="all")["topic"]
        return {topic["name"]: _settings(topic, configs[topic["name"]]) for topic in described if configs.get(topic["name"])}


def _is_ours(topic: Mapping[str, Any]) -> bool:
    return not topic["is_internal"] and not topic["name"].startswith("__") and bool(topic["partitions"])


def _settings(topic: Mapping[str, Any], configs: Mapping[str, Mapping[str, str]]) -> TopicSettings:
    retention_ms = int(configs["retention.ms"]["value"])
    return TopicSettings(
        name=topic["name"],
        partitions=len(topic["partitions"]),
        retention_ms=None if retention_ms < 0 else retention_ms,
        compacted="compact" in configs["cleanup.policy"]["value"].split(","),
        log_append_time=configs["message.timestamp.type"]["value"] == "LogAppendTime",
        max_message_bytes=int(configs["max.message.bytes"]["value"]),
    )


def _configs(settings: TopicSettings) -> dict[str, str]:
    return {
        "message.timestamp.type": "LogAppendTime" if settings.log_append_time else "CreateTime",
        "retention.ms": str(-1 if settings.retention_ms is None else settings.retention_ms),
        "max.message.bytes": str(settings.max_message_bytes),
        "cleanup.policy": "compact" if settings.compacted else "delete",
        **(_COMPACTION if settings.compacted else {}),
    }


@contextmanager
def _captured_logs() -> Iterator[list[str]]:
    """Collects what the library's network layer warns of, and keeps it from the process's own log.

    One thread at a time: two would restore what the other had set.
    """
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("kafka.net")
    with _capturing:
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        try:
            yield lines
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate

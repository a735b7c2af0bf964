"""What a topic made by sensorline is on the broker, asked of the broker itself."""

from __future__ import annotations

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline.brokers.protocol import TopicSettings
from tests.brokers.kafka.conftest import Cluster
from tests.support.broker_logs import publish, unique_name, values


def configs(address: str, topic: str) -> dict[str, str]:
    """The topic's settings that are not the broker's defaults."""
    client = KafkaAdminClient(bootstrap_servers=[address])
    described = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
    client.close()
    return {name: entry["value"] for name, entry in described.items()}


def test_a_compacted_topic_has_no_lag_and_small_segments(cluster: Cluster) -> None:
    name = unique_name("state")
    cluster.connect().create_topic(TopicSettings(name, 2, compacted=True, max_message_bytes=500_000))
    assert configs(cluster.address, name) == {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": "0",
        "segment.ms": "600000",
        "segment.bytes": "67108864",
        "retention.ms": "-1",
        "max.message.bytes": "500000",
        "message.timestamp.type": "LogAppendTime",
    }


def test_a_topic_for_readings_keeps_them_for_its_retention(cluster: Cluster) -> None:
    name = unique_name("readings")
    cluster.connect().create_topic(TopicSettings(name, 1, retention_ms=3_600_000, log_append_time=False))
    assert configs(cluster.address, name) == {
        "cleanup.policy": "delete",
        "retention.ms": "3600000",
        "max.message.bytes": "1048576",
        "message.timestamp.type": "CreateTime",
    }


def test_the_topics_of_kafka_itself_are_not_shown(cluster: Cluster) -> None:
    topic = cluster.topic()
    broker = cluster.connect()
    publish(broker, *values(topic, "a"))
    consumer = broker.consumer(topic, unique_name("group"))  # makes Kafka create its topic of offsets
    while not consumer.poll(1.0).assigned:
        pass
    topics = broker.topics()
    assert topic in topics
    assert not [name for name in topics if name.startswith("__")]


def test_a_topic_can_be_used_as_soon_as_it_is_created_and_made_again_as_soon_as_it_is_deleted(cluster: Cluster) -> None:
    broker, name = cluster.connect(), unique_name("topic")
    for _ in range(5):
        assert broker.create_topic(TopicSettings(name, 3))
        publish(broker, *values(name, "a"))
        assert sum(broker.end_offsets(name).values()) == 1
        assert broker.delete_topic(name)

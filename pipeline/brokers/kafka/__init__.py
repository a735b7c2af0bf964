"""The Kafka broker: the only place that knows kafka-python. Settings and hazards are explained where they are guarded."""

from pipeline.brokers.kafka.broker import KafkaBroker
from pipeline.brokers.kafka.settings import KafkaOptions

__all__ = ["KafkaBroker", "KafkaOptions"]

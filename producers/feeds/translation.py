"""MQTT messages to messages of the log: a reading, or the original on the rejected topic. Pure; knows no MQTT library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.brokers.protocol import Message, Record
from pipeline.records import Rejection, RejectReason
from pipeline.wire.mapping import Around, Mapped, Mapper
from pipeline.wire.rejected import rejected_message
from pipeline.wire.topic_pattern import Named, TopicPattern

NO_PLACE = -1  # partition and offset of what never was in a log


@dataclass(frozen=True)
class FeedTopics:
    """Where readings and what is none go, and how large a reading the log takes."""

    readings: str
    rejected: str
    max_reading_bytes: int


class Translator:
    """Translates by the first pattern that describes a message's topic."""

    def __init__(self, topics: FeedTopics, patterns: Sequence[TopicPattern], mapper: Mapper) -> None:
        self._topics = topics
        self._patterns = tuple(patterns)
        self._mapper = mapper
        self.counts: Counter[str] = Counter()

    def translate(self, topic: str, payload: bytes, received_ms: int) -> Message:
        """The message to publish."""
        mapped = self._map(topic, payload, received_ms)
        if isinstance(mapped, Mapped):
            self.counts["readings"] += 1
            return Message(self._topics.readings, mapped.key, mapped.value)
        self.counts[f"rejected_{mapped.reason}"] += 1
        original = Record(topic, NO_PLACE, NO_PLACE, received_ms, None, payload)
        return rejected_message(self._topics.rejected, original, mapped)

    def _map(self, topic: str, payload: bytes, received_ms: int) -> Mapped | Rejection:
        named = self._named(topic)
        if named is None:
            return Rejection(RejectReason.SCHEMA, f"no pattern of mqtt.topics describes the topic {topic!r}")
        mapped = self._mapper.map(payload, Around(received_ms, named.device, named.sensor))
        if isinstance(mapped, Mapped) and len(mapped.key) + len(mapped.value) > self._topics.max_reading_bytes:
            return Rejection(RejectReason.TOO_LARGE, f"the reading has {len(mapped.value)} bytes, more than its topic takes")
        return mapped

    def _named(self, topic: str) -> Named | None:
        return next((named for pattern in self._patterns if (named := pattern.match(topic)) is not None), None)

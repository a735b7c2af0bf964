"""Publishing through one idempotent producer. A producer that has failed once is never used again.

One refused record would make every later one fail with the same error, so what the broker would refuse is refused here
before it is sent. No transactions: commit and publish are made harmless one by one, by what the stages write.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from kafka.errors import KafkaError

from pipeline.brokers.admission import check_message
from pipeline.brokers.kafka.faults import describe
from pipeline.brokers.kafka.in_flight import InFlight
from pipeline.brokers.kafka.settings import IN_FLIGHT_BYTES, IN_FLIGHT_RECORDS
from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.clock import Clock
from pipeline.errors import Transient

# A batch's header is 61 bytes; a record's own lengths, flags and deltas take up to 36.
_BATCH_BYTES = 61 + 36
_MARGIN_S = 10.0  # the producer's thread gives up a record a little after its delivery timeout
_STEP_S = 0.1
_CLOSE_S = 5.0


class KafkaPublisher:
    """A `Publisher`. `describe_topic` raises `MissingTopic`; it is asked once for each topic."""

    def __init__(self, producer: Any, describe_topic: Callable[[str], TopicSettings], delivery_timeout_ms: int, clock: Clock) -> None:
        self._producer = producer
        self._describe_topic = describe_topic
        self._limit_s = delivery_timeout_ms / 1000 + _MARGIN_S
        self._clock = clock
        self._topics: dict[str, TopicSettings] = {}
        self._flight = InFlight(IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES)
        self.closed = False

    def send(self, message: Message) -> None:
        """Also raises `Transient`, where something sent before has failed, or nothing is acknowledged in time."""
        self._require_open()
        size = self._admitted(message)
        if not self._flight.enter(size, self._limit_s):
            raise self._undelivered()
        try:
            future = self._producer.send(
                message.topic, value=message.value, key=message.key, headers=list(message.headers), partition=message.partition
            )
        except Exception as error:
            self._flight.leave(size)
            if isinstance(error, KafkaError):
                raise Transient(f"publishing to {message.topic!r}: {describe(error)}") from error
            raise
        future.add_callback(partial(self._acknowledged, size))
        future.add_errback(partial(self._failed, size, message.topic))

    def flush(self) -> None:
        """Each future is looked at as its record leaves the flight.

        The library's flush only ends the linger: it returns well though records failed, fails where a batch was split,
        and with the broker away it may never end, because then records are given up one batch per new producer id.
        """
        self._require_open()
        deadline_s = self._clock.monotonic_s() + self._limit_s
        while not self._flight.wait_until_over(timeout_s=0) and self._clock.monotonic_s() < deadline_s:
            with suppress(KafkaError):
                self._producer.flush(timeout=_STEP_S)
            self._flight.wait_until_over(_STEP_S)
        if self._flight.failure or self._flight.records:
            raise self._undelivered()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._flight.records:
            # close() would wait for these records, and raise before it ended its thread. What it ends that thread with
            # is not reachable otherwise (kafka-python 3.0.12).
            self._producer._sender.force_close()
        with suppress(KafkaError):
            self._producer.close(timeout=_CLOSE_S)

    def _admitted(self, message: Message) -> int:
        """The message's size on the wire, bytes; `ValueError` for one that the topic would refuse."""
        if message.topic not in self._topics:
            self._topics[message.topic] = self._describe_topic(message.topic)
        topic = self._topics[message.topic]
        size = check_message(message, topic) + _BATCH_BYTES
        limit = min(topic.max_message_bytes, IN_FLIGHT_BYTES)
        if size > limit:
            raise ValueError(f"a record of {size} bytes is larger than topic {message.topic!r} takes ({limit} bytes)")
        return size

    def _acknowledged(self, size: int, _: object) -> None:
        self._flight.leave(size)

    def _failed(self, size: int, topic: str, error: Exception) -> None:
        self._flight.leave(size, f"publishing to {topic!r}: {describe(error)}")

    def _undelivered(self) -> Transient:
        waiting = f"publishing: {self._flight.records} records are not acknowledged after {self._limit_s:g} s"
        return Transient(self._flight.failure or waiting)

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("this publisher is closed")

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
from pipeline.errors import Transient

# A batch's header is 61 bytes; a record's own lengths, flags and deltas take up to 36, a header's lengths up to 10.
_BATCH_BYTES = 61 + 36
_HEADER_BYTES = 10
_MARGIN_S = 10.0  # the producer's thread gives up a record a little after its delivery timeout
_CLOSE_S = 5.0


class KafkaPublisher:
    """A `Publisher`. `describe_topic` raises `MissingTopic`; it is asked once for each topic."""

    def __init__(self, producer: Any, describe_topic: Callable[[str], TopicSettings], delivery_timeout_ms: int) -> None:
        self._producer = producer
        self._describe_topic = describe_topic
        self._limit_s = delivery_timeout_ms / 1000 + _MARGIN_S
        self._topics: dict[str, TopicSettings] = {}
        self._in_flight = InFlight(IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES)
        self._failure: str | None = None
        self.closed = False

    def send(self, message: Message) -> None:
        """Also raises `Transient`, where something sent before has failed, or nothing is acknowledged in time."""
        self._require_open()
        size = self._admitted(message)
        self._raise_failure()
        if not self._in_flight.enter(size, self._limit_s):
            raise Transient(f"publishing to {message.topic!r}: nothing was acknowledged for {self._limit_s:g} s")
        try:
            future = self._producer.send(
                message.topic, value=message.value, key=message.key, headers=list(message.headers), partition=message.partition
            )
        except BaseException as error:
            self._in_flight.leave(size)
            if isinstance(error, KafkaError):
                raise Transient(f"publishing to {message.topic!r}: {describe(error)}") from error
            raise
        future.add_callback(partial(self._acknowledged, size))
        future.add_errback(partial(self._failed, size, message.topic))

    def flush(self) -> None:
        self._require_open()
        # The library's flush only ends the linger: it returns well though records failed, and fails where a batch was
        # split. The futures alone tell, and each of them is looked at when it leaves the flight.
        with suppress(KafkaError):
            self._producer.flush(timeout=self._limit_s)
        if not self._in_flight.wait_until_empty(self._limit_s):
            raise Transient(f"publishing: {self._in_flight.records} records are not acknowledged after {self._limit_s:g} s")
        self._raise_failure()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._in_flight.records:
            # close() would wait for these records, and raise before it ended its thread. What it ends with force is
            # not reachable otherwise (kafka-python 3.0.12).
            self._producer._sender.force_close()
            self._in_flight.wait_until_empty(_CLOSE_S)
        with suppress(KafkaError):
            self._producer.close(timeout=_CLOSE_S)

    def _admitted(self, message: Message) -> int:
        """The message's size on the wire, bytes; `ValueError` for one that the topic would refuse."""
        if message.topic not in self._topics:
            self._topics[message.topic] = self._describe_topic(message.topic)
        topic = self._topics[message.topic]
        size = check_message(message, topic) + _BATCH_BYTES + _HEADER_BYTES * len(message.headers)
        limit = min(topic.max_message_bytes, IN_FLIGHT_BYTES)
        if size > limit:
            raise ValueError(f"a record of {size} bytes is larger than topic {message.topic!r} takes ({limit} bytes)")
        return size

    def _acknowledged(self, size: int, _: object) -> None:
        self._in_flight.leave(size)

    def _failed(self, size: int, topic: str, error: Exception) -> None:
        if self._failure is None:
            self._failure = f"publishing to {topic!r}: {describe(error)}"
        self._in_flight.leave(size)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise Transient(self._failure)

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("this publisher is closed")

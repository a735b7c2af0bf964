"""A reader of all partitions of a topic from the start of the log, in no group. It commits nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kafka import TopicPartition

from pipeline.brokers.kafka.admin import Admin
from pipeline.brokers.kafka.faults import translating
from pipeline.brokers.kafka.fetching import fetch
from pipeline.brokers.kafka.settings import CALL_TIMEOUT_MS
from pipeline.brokers.kafka.watchdog import Watchdog
from pipeline.brokers.protocol import Assignment, Poll, Position
from pipeline.clock import Clock
from pipeline.errors import Transient


class TopicReader:
    """A `Consumer` without a group. `starts` are the first offsets of the partitions it reads; later ones it never sees."""

    def __init__(self, client: Any, topic: str, starts: Mapping[int, int], admin: Admin, clock: Clock) -> None:
        self._client = client
        self._topic = topic
        self._admin = admin
        self._clock = clock
        self._watchdog = Watchdog()
        self._partitions = tuple(sorted(starts))
        self._announced = False
        self.closed = False
        client.assign([self._place(partition) for partition in self._partitions])
        for partition in self._partitions:
            client.seek(self._place(partition), starts[partition])

    def poll(self, timeout_s: float) -> Poll:
        if self.closed:
            raise ValueError("this consumer is closed")
        if not self._announced:
            self._announced = True
            return Poll(assigned=tuple(Assignment(partition, None) for partition in self._partitions))
        self._watchdog.poll_began(self._clock.monotonic_s())
        records = fetch(self._client, int(timeout_s * 1000), f"reading topic {self._topic!r}")
        self._watchdog.poll_ended(self._clock.monotonic_s(), True, bool(records))
        if self._watchdog.wants_ends:
            self._look_for_standstill()
        return Poll(records=records)

    def position(self, partition: int) -> int:
        self._require_held(partition)
        with translating(f"topic {self._topic!r}: reading the position of partition {partition}"):
            offset: int | None = self._client.position(self._place(partition), timeout_ms=CALL_TIMEOUT_MS)
        if offset is None:
            raise Transient(f"topic {self._topic!r}: partition {partition} has no position")
        return offset

    def seek(self, partition: int, offset: int) -> None:
        self._require_held(partition)
        self._client.seek(self._place(partition), offset)

    def commit(self, positions: Sequence[Position]) -> None:
        raise ValueError(f"a reader without a group has nothing to commit to: {positions}")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._client.close(autocommit=False, timeout_ms=CALL_TIMEOUT_MS)

    def _look_for_standstill(self) -> None:
        try:
            ends = self._admin.end_offsets(self._topic)
            positions = {partition: self.position(partition) for partition in self._partitions}
        except Transient:
            return
        unmoved = self._watchdog.compare(positions, ends)
        if unmoved:
            raise Transient(f"topic {self._topic!r}: partitions {list(unmoved)} have records, but reading brings none")

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    def _require_held(self, partition: int) -> None:
        if partition not in self._partitions:
            raise ValueError(f"partition {partition} is not assigned to this consumer")

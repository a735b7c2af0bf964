"""A member of a consumer group. It knows when the group, and not the caller, decides what is read and committed.

Between two polls the library may have lost a partition without having said so; nothing is committed before that is ruled
out. Records of a partition are handed out only after its assignment was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import MemberState

from pipeline.brokers.admission import check_positions
from pipeline.brokers.kafka.admin import Admin
from pipeline.brokers.kafka.faults import describe, translated, translating
from pipeline.brokers.kafka.fetching import OutsideLog, fetch
from pipeline.brokers.kafka.rebalancing import Rebalances
from pipeline.brokers.kafka.settings import CALL_TIMEOUT_MS
from pipeline.brokers.kafka.watchdog import PATIENCE_S, Watchdog
from pipeline.brokers.protocol import Assignment, Poll, Position, Record
from pipeline.clock import Clock
from pipeline.errors import LostPartitions, Transient

_SLICE_S = 1.0
_SHORTEST_SLICE_S = 0.1


class GroupMember:
    """A `Consumer` in a group, on one topic.

    `poll` keeps to a timeout of 0.1 s or more once the member has been stable for some seconds. Before that it waits for
    up to a second where nothing comes: a poll that expires during a join can lose the join (`watchdog`).
    """

    def __init__(self, client: Any, topic: str, group: str, admin: Admin, clock: Clock) -> None:
        self._client = client
        self._topic = topic
        self._name = f"group {group!r} on topic {topic!r}"
        self._group = group
        self._admin = admin
        self._clock = clock
        self._watchdog = Watchdog()
        self._rebalances = Rebalances()
        self._held: frozenset[int] = frozenset()
        self._fetched: list[Record] = []
        self.closed = False
        client.subscribe([topic], listener=self._rebalances)
        # A leader that learns of the topic's partitions only after its first join joins again at once, and it is the
        # second join that gets lost.
        client.partitions_for_topic(topic)

    def poll(self, timeout_s: float) -> Poll:
        if self.closed:
            raise ValueError("this consumer is closed")
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            if not self._rebalances.waiting and not self._fetched:
                self._pump(self._slice_ms(deadline_s))
            poll = self._news()
            if poll.revoked or poll.assigned or poll.records or self._clock.monotonic_s() >= deadline_s:
                return poll

    def position(self, partition: int) -> int:
        self._require_held(partition)
        with translating(f"{self._name}: reading the position of partition {partition}"):
            offset: int | None = self._client.position(self._place(partition), timeout_ms=CALL_TIMEOUT_MS)
        if offset is None:
            raise Transient(f"{self._name}: partition {partition} has no position")
        return offset

    def seek(self, partition: int, offset: int) -> None:
        self._require_held(partition)
        if self._place(partition) not in self._client.assignment():
            raise LostPartitions(f"{self._name}: partition {partition} is no longer this member's")
        self._client.seek(self._place(partition), offset)

    def commit(self, positions: Sequence[Position]) -> None:
        """Commits what is still this member's, then raises `LostPartitions` where something is not."""
        check_positions(positions)
        if not self.closed:
            self._join_to_the_end()
        kept = self._held - self._rebalances.taken
        self._store([position for position in positions if position.partition in kept])
        lost = sorted(position.partition for position in positions if position.partition not in kept)
        if lost:
            raise LostPartitions(f"{self._name}: partitions {lost} are no longer this member's")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._held = frozenset()
            self._client.close(autocommit=False, timeout_ms=CALL_TIMEOUT_MS)

    def _pump(self, slice_ms: int) -> None:
        self._watchdog.poll_began(self._clock.monotonic_s())
        records = self._fetch(slice_ms)
        self._fetched += records
        self._watchdog.poll_ended(self._clock.monotonic_s(), self._state() == MemberState.STABLE, bool(records))
        if self._watchdog.stuck_in_join:
            self._look_for_lost_join()
        if self._watchdog.wants_ends and not self._rebalances.waiting:
            self._look_for_standstill()

    def _fetch(self, slice_ms: int) -> list[Record]:
        try:
            return fetch(self._client, slice_ms, f"{self._name}: polling")
        except OutsideLog:
            if not self._rebalances.waiting:
                raise
            return []  # a partition that has just come: `_begin` says what is wrong with its committed position

    def _slice_ms(self, deadline_s: float) -> int:
        now_s = self._clock.monotonic_s()
        if not self._watchdog.settled(now_s):
            return int(_SLICE_S * 1000)
        return int(1000 * min(_SLICE_S, max(_SHORTEST_SLICE_S, deadline_s - now_s)))

    def _look_for_lost_join(self) -> None:
        """A join may take long where another member computes and does not poll; the broker knows that it still waits."""
        if not self._admin.is_gathering(self._group):
            raise Transient(f"{self._name}: not joined after {PATIENCE_S:g} s of polling (state {self._state()})")
        self._watchdog.forgive()

    def _look_for_standstill(self) -> None:
        """Silence is right only at the end of the log. A broker that does not answer proves nothing."""
        try:
            ends = self._admin.end_offsets(self._topic)
            positions = {partition: self.position(partition) for partition in self._held}
        except Transient:
            return
        unmoved = self._watchdog.compare(positions, ends)
        if unmoved:
            raise Transient(f"{self._name}: partitions {list(unmoved)} have records, but polling brings none")

    def _news(self) -> Poll:
        """What came since the last time. A newly assigned partition begins with the next poll, where its caller wants."""
        revoked, assigned = self._rebalances.drain()
        gone = revoked & self._held
        began = self._begin(sorted(assigned))
        kept = self._held - revoked - assigned
        records = [record for record in self._fetched if record.partition in kept]
        self._held = kept | assigned
        self._fetched = []
        return Poll(tuple(sorted(gone)), began, records)

    def _begin(self, partitions: Sequence[int]) -> tuple[Assignment, ...]:
        if not partitions:
            return ()
        places = [self._place(partition) for partition in partitions]
        with translating(f"{self._name}: reading the committed positions of partitions {list(partitions)}"):
            committed = [self._client.committed(place, metadata=True, timeout_ms=CALL_TIMEOUT_MS) for place in places]
            starts = self._client.beginning_offsets(places, timeout_ms=CALL_TIMEOUT_MS)
            ends = self._client.end_offsets(places, timeout_ms=CALL_TIMEOUT_MS)
        assignments = []
        for place, note in zip(places, committed, strict=True):
            # A position outside the log cannot be fetched from; who reads on from it is for the caller to say.
            inside = note is not None and starts[place] <= note.offset <= ends[place]
            self._client.seek(place, note.offset if inside else starts[place])
            position = None if note is None else Position(place.partition, note.offset, note.metadata)
            assignments.append(Assignment(place.partition, position))
        return tuple(assignments)

    def _join_to_the_end(self) -> None:
        """The library commits nothing while it rebalances, and only polling ends that; what it holds is paused meanwhile."""
        if self._state() != MemberState.REBALANCING:
            return
        self._client.pause(*self._client.assignment())
        try:
            while self._state() == MemberState.REBALANCING:
                self._pump(int(_SLICE_S * 1000))  # the watchdog ends this where the group does not
        finally:
            self._client.resume(*self._client.paused())

    def _store(self, positions: Sequence[Position]) -> None:
        """One request, under the member's own generation: the broker refuses it from a member that it has given up."""
        if not positions:
            return
        offsets = {self._place(position.partition): OffsetAndMetadata(position.offset, position.metadata, -1) for position in positions}
        try:
            self._client.commit(offsets, timeout_ms=CALL_TIMEOUT_MS)
        except CommitFailedError as error:
            raise LostPartitions(f"{self._name}: the group has given this member's partitions away ({describe(error)})") from error
        except KafkaError as error:
            raise translated(error, f"{self._name}: committing") from error

    def _state(self) -> str:
        return str(self._client.group_metadata().state)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    def _require_held(self, partition: int) -> None:
        if partition not in self._held:
            raise ValueError(f"partition {partition} is not assigned to this consumer")

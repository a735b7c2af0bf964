"""Delivering the alerts topic to one destination: poll, deliver, commit.

A stage's step is pure, and what it gives is in the log when `flush` returns. Here the effect is outside of the log and may
take hours, so a delivery is no stage: it has a session of its own, with the same broker, driven by the same runner. A position
is committed only after the receiver has taken everything before it. After a crash the alerts since then are delivered again,
under the same keys. The session goes on polling while a receiver is down, so it stays in its group.

An alert that the receiver refuses for what is in it would hold up its device, and the position, for ever. After some tries it
goes to the rejected topic, acknowledged before the position passes it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pipeline.brokers.protocol import Assignment, Broker, Message, Poll, Position, Publisher, Record
from pipeline.clock import Clock
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.lanes import Lanes
from pipeline.destinations.protocol import Destination, Parcel
from pipeline.pace import Pace
from pipeline.records import Rejection, RejectReason
from pipeline.session import POLL_S, SessionOptions
from pipeline.wire.alerts import decode_alert
from pipeline.wire.rejected import rejected_message

log = logging.getLogger(__name__)

MOST_WAITING = 10_000  # parcels on their way, of all partitions
COMMIT_INTERVAL_S = 1.0
# There from the beginning: where a metric begins with its first count, Prometheus sees no increase by that one.
COUNTS = ("received", "delivered", "failed", "passed_over", "undecodable", "lost", "rejected_receiver")


@dataclass(frozen=True)
class Delivery:
    """What is delivered where: alerts of `source` whose rule matches one of `rules`."""

    name: str
    source: str
    rejected: str  # topic of what a receiver refuses
    destination: Destination
    backoff: Backoff
    rules: tuple[str, ...] = ("*",)
    from_end: bool = False  # a destination that is new begins with the next alert, not with the oldest
    _counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTS, 0)), compare=False)

    def counts(self) -> Mapping[str, int]:
        """Running totals."""
        return self._counts

    def refusal(self, record: Record, problem: str) -> Message:
        """What the rejected topic gets of an alert that was given up."""
        self._counts["rejected_receiver"] += 1
        error = f"{self.name}: {problem}, {self.backoff.most_refusals} times"
        log.error("%s; partition %d, offset %d is given up and goes to %s", error, record.partition, record.offset, self.rejected)
        return rejected_message(self.rejected, record, Rejection(RejectReason.RECEIVER, error))

    def lost(self, partition: int, committed: int, start: int) -> None:
        """The log does not hold the committed position any more. It goes on with what there is: a receiver that was away for
        longer than the topic keeps its records must not stop the stages beside it."""
        missing = max(0, start - committed)
        self._counts["lost"] += missing
        told = "%s: partition %d was committed at %d and its log begins at %d: %d alerts are gone undelivered; going on with the oldest"
        log.error(told, self.name, partition, committed, start, missing)

    def parcel(self, record: Record) -> Parcel | None:
        """What a record of the alerts topic is delivered as; None where this destination does not want it."""
        self._counts["received"] += 1
        try:
            alert = decode_alert(record.value or b"")
        except ValueError as error:
            log.warning("%s: partition %d, offset %d is passed over: %s", self.name, record.partition, record.offset, error)
            self._counts["undecodable"] += 1
            return None
        if any(fnmatchcase(alert.rule, pattern) for pattern in self.rules):
            return Parcel(alert, record.value or b"")
        self._counts["passed_over"] += 1
        return None


class DeliverySession:
    """One life of a delivery's clients. Raises `Transient` when that life is over."""

    def __init__(self, broker: Broker, delivery: Delivery, options: SessionOptions, clock: Clock) -> None:
        self._broker = broker
        self._delivery = delivery
        self._pace = Pace(COMMIT_INTERVAL_S, clock)
        self._consumer = broker.consumer(delivery.source, options.group, options.max_records)
        self._lanes = Lanes(delivery.name, delivery.destination, delivery.backoff, clock)
        self._committed: dict[int, int] = {}  # by assigned partition
        self._records: dict[tuple[int, int], Record] = {}  # on their way, by partition and offset
        self._publisher: Publisher | None = None

    @property
    def counts(self) -> Counter[str]:
        """Totals of this life."""
        return self._lanes.counts

    def turn(self, timeout_s: float = POLL_S) -> bool:
        """One turn; waits at most about `timeout_s` for input. Returns whether there was any."""
        poll = self._consumer.poll(timeout_s)
        self._rebalance(poll)
        self._take(poll.records, timeout_s)
        if self._pace.is_due():
            self.checkpoint()
        return bool(poll.records)

    def checkpoint(self) -> None:
        """Rejects what was given up, and commits up to the first alert that is neither taken nor rejected."""
        self._pace.begin()
        given_up = self._lanes.given_up()
        refusals = [self._delivery.refusal(self._records[one.partition, one.offset], one.problem) for one in given_up]
        with self._broker.transaction() if given_up else nullcontext():
            self._publish(refusals)
            self._lanes.settle(given_up)
            self._commit()
        self._pace.end()

    def _commit(self) -> None:
        taken = {partition: offset for partition, offset in self._lanes.taken().items() if partition in self._committed}
        moved = {partition: offset for partition, offset in taken.items() if offset != self._committed[partition]}
        if moved:
            self._consumer.commit([Position(partition, offset) for partition, offset in moved.items()])
            self._committed |= moved
            self._records = {place: record for place, record in self._records.items() if place[1] >= self._committed[place[0]]}

    def _publish(self, messages: Sequence[Message]) -> None:
        """Returns when the log has them. Few deliveries ever need a publisher."""
        if not messages:
            return
        publisher = self._publisher = self._publisher or self._broker.publisher()
        for message in messages:
            publisher.send(message)
        publisher.flush()

    def drain(self) -> None:
        """Nothing is open here but what is on its way, and that was awaited."""

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Every assigned partition (there is one) has been read and delivered up to its offset in `ends`."""
        read = all(self._consumer.position(partition) >= ends.get(partition, 0) for partition in self._committed)
        return bool(self._committed) and read and not self._lanes.waiting

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions that are assigned now."""
        return tuple(self._committed)

    def behind(self) -> int:
        """Number of records that were not delivered yet. Raises `Transient`."""
        ends = self._broker.end_offsets(self._delivery.source)
        taken = self._lanes.taken()
        return sum(max(0, ends[partition] - taken.get(partition, offset)) for partition, offset in self._committed.items())

    def close(self) -> None:
        """Leaves the group; what was not taken is read again by whoever comes next."""
        self._lanes.close()
        self._committed = {}
        self._consumer.close()
        if self._publisher is not None:
            self._publisher.close()

    def _rebalance(self, poll: Poll) -> None:
        for partition in poll.revoked:
            self._committed.pop(partition, None)
            self._lanes.forget(partition)
            self._records = {place: record for place, record in self._records.items() if place[0] != partition}
        if poll.assigned:
            starts, ends = (offsets(self._delivery.source) for offsets in (self._broker.start_offsets, self._broker.end_offsets))
            for assignment in poll.assigned:
                self._begin(assignment, starts[assignment.partition], ends[assignment.partition])

    def _begin(self, assignment: Assignment, start: int, end: int) -> None:
        partition, committed = assignment.partition, assignment.committed
        if committed is None:
            offset = end if self._delivery.from_end else start
            # At once: what comes from now on must not be taken for old by the next life.
            self._consumer.commit([Position(partition, offset)])
        elif start <= committed.offset <= end:
            offset = committed.offset
        else:
            offset = start
            self._delivery.lost(partition, committed.offset, start)
        self._consumer.seek(partition, offset)
        self._committed[partition] = offset
        log.info("%s: partition %d assigned at offset %d", self._delivery.name, partition, offset)

    def _take(self, records: Sequence[Record], timeout_s: float) -> None:
        """Hands the records over, unless too many are on their way: then they are read again later."""
        if records and not self._lanes.await_room(MOST_WAITING, timeout_s):
            for record in reversed(records):
                self._consumer.seek(record.partition, record.offset)
            return
        for record in records:
            parcel = self._delivery.parcel(record)
            if parcel is None:
                self._lanes.pass_over(record.partition, record.offset)
            else:
                self._records[record.partition, record.offset] = record
                self._lanes.put(record.partition, record.offset, parcel)

"""One partition of the readings topic: its records, in order, to the windower; the windower's answers to messages."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from pipeline.brokers.protocol import Message, Record
from pipeline.core.keyed_state import Write
from pipeline.core.policy import WindowPolicy
from pipeline.core.windower import PartitionWindower
from pipeline.logs import fields
from pipeline.records import Rejection, RejectReason, Window
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.recovery import Recovery
from pipeline.wire.headers import closing_header, is_reset, is_tick, parse_arrival
from pipeline.wire.reading_body import split_batch
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import encode_window

log = logging.getLogger(__name__)


class WindowTopics(msgspec.Struct, frozen=True):
    """The topics the window stage reads and writes."""

    readings: str
    windows: str
    rejected: str


class PartitionTask:
    """Counts what it takes: received = rejected + merged + dropped + steps in windows + open (session, tumbling)."""

    def __init__(self, policy: WindowPolicy, decoder: ReadingDecoder, topics: WindowTopics, handover: Handover) -> None:
        self.windower = PartitionWindower(policy, decoder.sensors, topics.readings, handover.partition)
        self.counts = self.windower.counts
        self._decoder = decoder
        self._topics = topics
        self._recovery = Recovery(self.windower, handover, policy.spec_id(decoder.sensors))
        self._next_offset = handover.offset
        self.event_time_lag_ms = 0  # of the last reading taken
        self.windower.clock.now, self.windower.clock.from_header = self._recovery.mark.arrival, self._recovery.mark.from_header

    def checkpoint(self) -> Checkpoint:
        """How far this partition has come, and what has changed."""
        clock = self.windower.clock
        return self._recovery.checkpoint(self._next_offset, clock.now, clock.from_header)

    def committed(self) -> Sequence[Write]:
        """State records that may be deleted now."""
        return self._recovery.committed()

    @property
    def waits_for_time(self) -> bool:
        """A device is live, and it is the time of the day that will close it, not a recording's."""
        return self.windower.live_devices > 0 and not self.windower.clock.from_header

    def take(self, record: Record, out: list[Message]) -> None:
        """Appends the windows and rejected records that `record` makes, in order."""
        self._next_offset = record.offset + 1
        try:
            arrival, from_header = parse_arrival(record)
        except ValueError as error:
            self.counts["received"] += 1
            self._reject(record, Rejection(RejectReason.SCHEMA, str(error)), out)
            return
        if is_tick(record):
            self._tick(record, arrival, from_header)
        else:
            self.windower.arrive(arrival, from_header, record.offset)
            self._read(record, arrival, out)
        self._publish(out, record)

    def drain(self, out: list[Message]) -> None:
        """Closes what is open."""
        self.windower.drain()
        self._publish(out)

    def _tick(self, record: Record, arrival: int, from_header: bool) -> None:
        self.counts["ticks"] += 1
        if is_reset(record):
            self.windower.reset(arrival, record.offset)
        else:
            self.windower.tick(arrival, from_header, record.offset)

    def _read(self, record: Record, arrival: int, out: list[Message]) -> None:
        decoded = self._decoder.decode(record.key, record.value)
        if isinstance(decoded, Rejection):
            self.counts["received"] += 1
            self._reject(record, decoded, out)
            return
        device, offset, windower = decoded.device, record.offset, self.windower
        if windower.skips(device, offset):
            return
        self.counts["received"] += len(decoded.rows)
        if decoded.unknown:
            self.counts["unknown_sensors"] += decoded.unknown
        last = decoded.rows[-1]
        if not isinstance(last, Rejection):
            self.event_time_lag_ms = arrival - last[0]
        refused: list[Rejection] = []
        for index, row in enumerate(decoded.rows):
            refusal = windower.take(device, row[0], row[1], offset, arrival) if isinstance(row, tuple) else row
            if refusal is not None:
                refused.append(msgspec.structs.replace(refusal, index=index if decoded.batch else None))
        if refused:
            self._reject_readings(record, refused, out)

    def _reject_readings(self, record: Record, refused: list[Rejection], out: list[Message]) -> None:
        """Of a batch each refused reading goes alone: with all of the batch beside each, one record could fill the disk."""
        alone = split_batch(record.value or b"") if refused[0].index is not None else []
        for rejection in refused:
            value = record.value if rejection.index is None else alone[rejection.index]
            self._reject(msgspec.structs.replace(record, value=value), rejection, out)

    def _reject(self, record: Record, rejection: Rejection, out: list[Message]) -> None:
        if log.isEnabledFor(logging.DEBUG):
            place = fields(reason=rejection.reason, topic=record.topic, partition=record.partition, offset=record.offset)
            log.debug("reading rejected: %s", rejection.error, extra=place)
        self.counts[f"rejected_{rejection.reason}"] += 1
        out.append(rejected_message(self._topics.rejected, record, rejection))

    def _publish(self, out: list[Message], closing: Record | None = None) -> None:
        """`closing`: the record that closed the windows."""
        for window in self.windower.collect():
            self.counts[f"closed_{window.reason}"] += 1
            if log.isEnabledFor(logging.DEBUG):
                log.debug("window closed", extra=_named(window))
            headers = () if closing is None else (closing_header(closing),)
            out.append(Message(self._topics.windows, window.device.encode(), encode_window(window), headers))


def _named(window: Window) -> dict[str, object]:
    source = window.source
    offsets = (source.first_offset, source.last_offset)
    return fields(window=window.id, device=window.device, reason=window.reason, partition=source.partition, offsets=offsets)

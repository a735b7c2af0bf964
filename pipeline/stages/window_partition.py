"""One partition of the readings topic: its records, in order, to the windower; the windower's answers to messages."""

from __future__ import annotations

import msgspec

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.core.policy import WindowPolicy
from pipeline.core.windower import PartitionWindower
from pipeline.records import Rejection, RejectReason
from pipeline.wire.headers import is_reset, is_tick, parse_arrival
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import encode_window


class WindowTopics(msgspec.Struct, frozen=True):
    """The topics the window stage reads and writes."""

    readings: str
    windows: str
    rejected: str


class Mark(msgspec.Struct, frozen=True):
    """What the metadata of a committed position remembers: the partition's arrival clock."""

    arrival: int | None = None
    from_header: bool = False


class PartitionTask:
    """Counts what it takes: received = rejected + merged + dropped + steps in windows + open (session, tumbling)."""

    def __init__(self, policy: WindowPolicy, decoder: ReadingDecoder, topics: WindowTopics, partition: int) -> None:
        self.windower = PartitionWindower(policy, decoder.sensors, topics.readings, partition)
        self.counts = self.windower.counts
        self._decoder = decoder
        self._topics = topics
        self._partition = partition
        self._next_offset = 0

    def resume(self, committed: Position) -> None:
        """Goes on from a position that `position` gave."""
        mark = msgspec.json.decode(committed.metadata, type=Mark) if committed.metadata else Mark()
        self.windower.clock.now, self.windower.clock.from_header = mark.arrival, mark.from_header
        self._next_offset = committed.offset

    def position(self) -> Position | None:
        """Where a restart may begin: here if no device is live, else not yet known."""
        if self.windower.live_devices:
            return None
        clock = self.windower.clock
        return Position(self._partition, self._next_offset, msgspec.json.encode(Mark(clock.now, clock.from_header)).decode())

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
            self.windower.arrive(arrival, from_header)
            self._read(record, arrival, out)
        self._publish(out)

    def drain(self, out: list[Message]) -> None:
        """Closes what is open."""
        self.windower.drain()
        self._publish(out)

    def _tick(self, record: Record, arrival: int, from_header: bool) -> None:
        self.counts["ticks"] += 1
        if is_reset(record):
            self.windower.reset(arrival)
        else:
            self.windower.tick(arrival, from_header)

    def _read(self, record: Record, arrival: int, out: list[Message]) -> None:
        decoded = self._decoder.decode(record.key, record.value)
        if isinstance(decoded, Rejection):
            self.counts["received"] += 1
            self._reject(record, decoded, out)
            return
        self.counts["received"] += len(decoded.rows)
        if decoded.unknown:
            self.counts["unknown_sensors"] += decoded.unknown
        for index, row in enumerate(decoded.rows):
            refusal = row if isinstance(row, Rejection) else self.windower.take(decoded.device, row[0], row[1], record.offset, arrival)
            if refusal is not None:
                self._reject(record, msgspec.structs.replace(refusal, index=index if decoded.batch else None), out)

    def _reject(self, record: Record, rejection: Rejection, out: list[Message]) -> None:
        self.counts[f"rejected_{rejection.reason}"] += 1
        out.append(rejected_message(self._topics.rejected, record, rejection))

    def _publish(self, out: list[Message]) -> None:
        for window in self.windower.collect():
            self.counts[f"closed_{window.reason}"] += 1
            out.append(Message(self._topics.windows, window.device.encode(), encode_window(window)))

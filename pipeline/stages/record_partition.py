"""One partition of a topic that is recorded: its records, in order, to rows, and the rows to part files.

A row's arrival is the partition's arrival clock at its record, by the windower's own rules: so arrivals never go back within
a segment, a stable sort by them keeps the order of the log, and a replay gives each device the clock that it had live.
Ticks need no rows. A device that was idle by a tick is idle by its own next record too, which moves the clock before it is
looked at; after the last one a replay's closing tick stands for all. The same holds for records that cannot be decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from pipeline.brokers.protocol import Record
from pipeline.core.arrival import ArrivalClock
from pipeline.recordings.partfile import About, write_part
from pipeline.recordings.parts import Place, day_of, topic_of
from pipeline.recordings.rows import ReadingRows, StructRows
from pipeline.records import Alert, Prediction, Rejection, RejectReason, Window
from pipeline.stages.protocol import Handover
from pipeline.wire.alerts import decode_alert
from pipeline.wire.headers import is_reset, is_tick, parse_arrival
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.rejected import RawRecord, decode_raw
from pipeline.wire.windows import decode_window

RECORDS: Mapping[str, tuple[type[msgspec.Struct], Callable[[Record], msgspec.Struct]]] = {
    "windows": (Window, lambda record: decode_window(record.value or b"")),
    "predictions": (Prediction, lambda record: decode_prediction(record.value or b"")),
    "alerts": (Alert, lambda record: decode_alert(record.value or b"")),
    "rejected": (RawRecord, decode_raw),
}


class Mark(msgspec.Struct, frozen=True):
    """What the committed position remembers: the arrival clock there, the segment, and where the first part after it begins."""

    since: int
    segment: int = 0
    arrival: int | None = None
    from_header: bool = False


class Content:
    """What a topic carries: "readings" of these sensors, or the records of another kind."""

    def __init__(self, kind: str, sensors: Sequence[str] = (), codes: Mapping[str, Sequence[str]] | None = None) -> None:
        self.kind = kind
        self._sensors, self._codes = tuple(sensors), dict(codes or {})
        self._decoder = ReadingDecoder(self._sensors, self._codes)

    def rows(self) -> ReadingRows | StructRows:
        """Empty rows."""
        return ReadingRows(self._sensors, self._codes) if self.kind == "readings" else StructRows(RECORDS[self.kind][0])

    def add(self, rows: ReadingRows | StructRows, record: Record, arrival: int) -> Counter[str]:
        """Adds the rows of a record; returns how many were refused, by reason."""
        if isinstance(rows, ReadingRows):
            return self._add_readings(rows, record, arrival)
        try:
            item = RECORDS[self.kind][1](record)
        except ValueError:
            return Counter(undecodable=1)
        rows.add(item, len(record.value or b""), arrival, record.offset)
        return Counter()

    def _add_readings(self, rows: ReadingRows, record: Record, arrival: int) -> Counter[str]:
        decoded = self._decoder.decode(record.key, record.value)
        if isinstance(decoded, Rejection):
            return Counter({decoded.reason.value: 1})
        refused: Counter[str] = Counter()
        for row in decoded.rows:
            if isinstance(row, Rejection):
                refused[row.reason.value] += 1
            else:
                rows.add(decoded.device, row, arrival, record.offset)
        return refused


class _Open:
    """A part that is being filled: rows of one day of one segment."""

    def __init__(self, first: int, segment: int, rows: ReadingRows | StructRows) -> None:
        self.first = first
        self.segment = segment
        self.day: int | None = None
        self.rows = rows
        self.ticks = 0
        self.refused: Counter[str] = Counter()

    @property
    def is_worth_a_file(self) -> bool:
        return len(self.rows) > 0 or bool(self.refused)


class PartitionRecorder:
    """`reached`: the offset up to which parts are complete already; records before it only move the clock."""

    def __init__(self, content: Content, folder: Path, handover: Handover, mark: Mark, reached: int) -> None:
        self.counts: Counter[str] = Counter()
        self.next_offset = handover.offset
        self._content = content
        self._folder = folder
        self._partition = handover.partition
        self._clock = ArrivalClock(mark.arrival, mark.from_header)
        self._segment = mark.segment
        self._reached = reached
        self._open = _Open(reached, mark.segment, content.rows())

    @property
    def unsaved_bytes(self) -> int:
        return self._open.rows.in_memory

    def take(self, record: Record) -> None:
        """Adds what a record holds to the open part; completes it where the record belongs to another day or segment."""
        self.next_offset = record.offset + 1
        self.counts["received"] += 1
        is_new = record.offset >= self._reached
        try:
            arrival, from_header = parse_arrival(record)
        except ValueError:
            if is_new:
                self._open.refused[RejectReason.SCHEMA.value] += 1
            return
        if is_tick(record):
            self._tick(record, arrival, from_header, is_new)
            return
        self._clock.move(arrival, from_header)
        if is_new:
            self._add(record, self._clock.now or 0)

    def complete(self) -> Mark:
        """Writes what is open; when it returns, the files are on the disk."""
        if self._open.is_worth_a_file:
            self._write(self.next_offset)
        return Mark(self._open.first, self._segment, self._clock.now, self._clock.from_header)

    def _tick(self, record: Record, arrival: int, from_header: bool, is_new: bool) -> None:
        if is_reset(record):
            self._clock.reset(arrival)
            self._segment += 1
            self._begin(record.offset)
        elif from_header or not self._clock.from_header:
            self._clock.move(arrival, from_header)
        if is_new:
            self._open.ticks += 1

    def _add(self, record: Record, arrival: int) -> None:
        day = day_of(arrival)
        if self._open.day is not None and self._open.day != day:
            self._begin(record.offset)
        self._open.day = day
        before = len(self._open.rows)
        self._open.refused.update(self._content.add(self._open.rows, record, arrival))
        self.counts["recorded"] += len(self._open.rows) - before

    def _begin(self, offset: int) -> None:
        """What comes from `offset` on belongs to another part. An open one without rows takes it, as nothing is in it."""
        if self._open.is_worth_a_file:
            self._write(offset)
        self._open.segment = self._segment

    def _write(self, end: int) -> None:
        part = self._open
        place = Place(self._partition, part.segment, part.first, end)
        about = About(topic_of(self._folder), self._content.kind, part.ticks, dict(part.refused))
        day = part.day if part.day is not None else day_of(self._clock.now or 0)
        write_part(self._folder, day, place, part.rows, about)
        self.counts.update(files=1, **{f"refused_{reason}": count for reason, count in part.refused.items()})
        self._open = _Open(end, self._segment, self._content.rows())

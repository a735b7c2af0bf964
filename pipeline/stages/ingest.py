"""The ingest stage: records of any JSON topic in; keyed readings, and records that are no readings, out. It keeps no state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from pipeline.brokers.protocol import Message, Record
from pipeline.records import Rejection, RejectReason
from pipeline.stages.stateless import Stateless
from pipeline.wire.mapping import Around, Mapped, Mapper
from pipeline.wire.rejected import rejected_message

MAX_READING_BYTES = 1_048_576 - 1_024


class IngestTopics(msgspec.Struct, frozen=True):
    """Where other people's records come from, and where readings and what is none go."""

    source: str
    readings: str
    rejected: str


class IngestStage(Stateless):
    """Implements `pipeline.stages.protocol.Stage`.

    A reading keeps nothing of its record but what the mapping takes: no header, as one named `arrival` would move clocks.
    """

    name = "ingest"

    def __init__(self, topics: IngestTopics, mapper: Mapper) -> None:
        super().__init__()
        self.source = topics.source
        self._topics = topics
        self._mapper = mapper
        self._counts: Counter[str] = Counter()

    def step(self, records: Sequence[Record], now_ms: int) -> list[Message]:
        messages = []
        for record in records:
            self._passed(record)
            messages.append(self._message(record))
        self._counts["received"] += len(records)
        return messages

    def counts(self) -> Mapping[str, int]:
        return self._counts

    def _message(self, record: Record) -> Message:
        mapped = self._map(record)
        if isinstance(mapped, Mapped):
            self._counts["readings"] += 1
            return Message(self._topics.readings, mapped.key, mapped.value)
        self._counts[f"rejected_{mapped.reason}"] += 1
        return rejected_message(self._topics.rejected, record, mapped)

    def _map(self, record: Record) -> Mapped | Rejection:
        try:
            device = record.key.decode() if record.key else None
        except UnicodeDecodeError:
            device = None  # no device, unless the mapping has one
        mapped = self._mapper.map(record.value, Around(record.timestamp, device))
        if isinstance(mapped, Mapped) and len(mapped.key) + len(mapped.value) > MAX_READING_BYTES:
            return Rejection(RejectReason.TOO_LARGE, f"the reading has {len(mapped.value)} bytes, more than its topic takes")
        return mapped

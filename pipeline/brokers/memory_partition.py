"""The records of one partition in memory. Knows no lock and no topic."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from operator import attrgetter

from pipeline.brokers.protocol import Message, Record


@dataclass
class MemoryPartition:
    """Offsets go on where records were removed."""

    records: list[Record] = field(default_factory=list)
    end: int = 0
    last_timestamp: int = 0

    @property
    def start(self) -> int:
        """The offset of the first record, or of the next."""
        return self.records[0].offset if self.records else self.end

    def append(self, message: Message, partition: int, timestamp: int) -> None:
        """Adds a record."""
        self.records.append(Record(message.topic, partition, self.end, timestamp, message.key, message.value, message.headers))
        self.end += 1
        self.last_timestamp = timestamp

    def read(self, offset: int, limit: int) -> list[Record]:
        """At most so many records, from the offset on."""
        first = bisect_left(self.records, offset, key=attrgetter("offset"))
        return self.records[first : first + limit]

    def take(self) -> list[Record]:
        """Removes all records, and gives them."""
        taken, self.records = self.records, []
        return taken

    def compact(self) -> None:
        """Removes each record that a later one of its key follows, and null values."""
        last = {record.key: record.offset for record in self.records}
        self.records = [record for record in self.records if record.offset == last[record.key] and record.value is not None]

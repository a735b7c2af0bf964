"""The record stage: records of one topic in, part files out. Its checkpoint completes the files, and only then is the
position committed; so what is committed is on the disk, and what is on the disk but not committed is passed over when it is
read again. The only stage that writes files; it publishes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.core.keyed_state import Write
from pipeline.errors import StateRefused
from pipeline.recordings.parts import parts_in, remove_leftovers
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.record_partition import Content, Mark, PartitionRecorder


class RecordStage:
    """Implements `pipeline.stages.protocol.Stage`. `folder` is that of the topic, `content` what its records are."""

    keeps_state = False
    tick_interval_ms: int | None = None

    def __init__(self, topic: str, content: Content, folder: Path) -> None:
        self.name = f"record.{content.kind}"
        self.source = topic
        self._content = content
        self._folder = folder
        self._tasks: dict[int, PartitionRecorder] = {}
        self._finished: Counter[str] = Counter()

    def assign(self, handover: Handover) -> None:
        """Goes on after the parts that are complete. Raises `StateRefused` for a folder that holds another recording."""
        partition, mark, begins = handover.partition, self._mark(handover), handover.fresh or handover.committed is None
        remove_leftovers(self._folder, partition)
        complete, reached = [part.place for part in parts_in(self._folder) if part.place.partition == partition], mark.since
        for place in [] if begins else complete:
            if place.first <= reached < place.end:
                reached = place.end
        beyond = max((place.end for place in complete), default=0)
        if beyond > reached:
            raise StateRefused(
                f"{self._folder} holds parts of partition {partition} up to offset {beyond}, which this group did not record"
                f" (it is at {reached}): give another --out, or the --group that did"
            )
        self._tasks[partition] = PartitionRecorder(self._content, self._folder, handover, mark, reached)

    def revoke(self, partition: int) -> None:
        self._finished.update(self._tasks.pop(partition).counts)

    def step(self, records: Sequence[Record], now_ms: int) -> Sequence[Message]:
        for record in records:
            self._tasks[record.partition].take(record)
        return ()

    def tick(self, partition: int) -> Message | None:
        return None

    def unsaved_bytes(self) -> int:
        """Of rows in memory: when they are too many, a checkpoint writes them."""
        return sum([task.unsaved_bytes for task in self._tasks.values()])

    def checkpoint(self, partition: int) -> Checkpoint:
        """Completes the files of all that was taken."""
        task = self._tasks[partition]
        mark = task.complete()
        return Checkpoint(Position(partition, task.next_offset, msgspec.json.encode(mark).decode()))

    def committed(self, partition: int) -> Sequence[Write]:
        return ()

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        return ()

    def counts(self) -> Mapping[str, int]:
        totals = self._finished.copy()
        for task in self._tasks.values():
            totals.update(task.counts)
        return totals

    def _mark(self, handover: Handover) -> Mark:
        if handover.fresh or handover.committed is None:
            return Mark(since=handover.offset)
        try:
            return msgspec.json.decode(handover.committed.metadata, type=Mark)
        except msgspec.DecodeError:
            raise StateRefused(
                f"partition {handover.partition}: the committed position {handover.committed.offset} was not written by"
                " `sensorline record`: give it another --group and --out"
            ) from None

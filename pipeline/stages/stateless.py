"""What stages have in common that keep nothing but how far they have come in each partition."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.core.keyed_state import Write
from pipeline.stages.protocol import Checkpoint, Handover


class Stateless:
    """The part of `pipeline.stages.protocol.Stage` that does not depend on what is done with the records."""

    keeps_state = False
    tick_interval_ms: int | None = None

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def assign(self, handover: Handover) -> None:
        self._next[handover.partition] = handover.offset

    def revoke(self, partition: int) -> None:
        self._next.pop(partition, None)

    def tick(self, partition: int) -> Message | None:
        return None

    def unsaved_bytes(self) -> int:
        return 0

    def checkpoint(self, partition: int) -> Checkpoint:
        return Checkpoint(Position(partition, self._next[partition]))

    def committed(self, partition: int) -> Sequence[Write]:
        return ()

    def drain(self, partition: int, now_ms: int) -> list[Message]:
        return []

    def _passed(self, record: Record) -> None:
        """The next checkpoint is behind this record."""
        self._next[record.partition] = record.offset + 1

"""The window stage: records of the readings topic in; windows and rejected records out.

One `PartitionTask` per assigned partition, which alone knows its state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pipeline.brokers.protocol import Message, Record
from pipeline.core.keyed_state import Write
from pipeline.core.policy import WindowPolicy
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.window_partition import PartitionTask, WindowTopics
from pipeline.wire.headers import tick
from pipeline.wire.readings import ReadingDecoder


class WindowStage:
    """Implements `pipeline.stages.protocol.Stage`."""

    name = "window"
    keeps_state = True

    def __init__(self, topics: WindowTopics, policy: WindowPolicy, decoder: ReadingDecoder, tick_interval_ms: int | None) -> None:
        self.source = topics.readings
        self.tick_interval_ms = tick_interval_ms
        self._topics = topics
        self._policy = policy
        self._decoder = decoder
        self._tasks: dict[int, PartitionTask] = {}
        self._finished: Counter[str] = Counter()

    def assign(self, handover: Handover) -> None:
        self._tasks[handover.partition] = PartitionTask(self._policy, self._decoder, self._topics, handover)

    def revoke(self, partition: int) -> None:
        self._finished.update(self._tasks.pop(partition).counts)

    def step(self, records: Sequence[Record], now_ms: int) -> list[Message]:
        out: list[Message] = []
        for record in records:
            self._tasks[record.partition].take(record, out)
        return out

    def tick(self, partition: int) -> Message | None:
        return tick(self.source, partition) if self._tasks[partition].waits_for_time else None

    def unsaved_bytes(self) -> int:
        return sum([task.windower.unsaved_bytes for task in self._tasks.values()])

    def checkpoint(self, partition: int) -> Checkpoint:
        return self._tasks[partition].checkpoint()

    def committed(self, partition: int) -> Sequence[Write]:
        return self._tasks[partition].committed()

    def drain(self, partition: int, now_ms: int) -> list[Message]:
        out: list[Message] = []
        self._tasks[partition].drain(out)
        return out

    def counts(self) -> Mapping[str, int]:
        totals = self._finished.copy()
        for task in self._tasks.values():
            totals.update(task.counts)
            windower = task.windower
            open_now = {"open_windows": windower.open_windows, "open_steps": windower.open_steps}
            totals.update({"live_devices": windower.live_devices, **open_now})
        totals["event_time_lag_ms"] = max([task.event_time_lag_ms for task in self._tasks.values()], default=0)
        return totals

"""The alert stage: predictions in, alerts out; what is no prediction goes to the rejected topic. Knows no rule.

A device is in one partition, by its key, so each partition has a machine of its own, with the state of its devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from pipeline.brokers.protocol import Message, Record
from pipeline.core.alerting import AlertMachine, AlertRule
from pipeline.core.keyed_state import Write
from pipeline.records import Prediction, Rejection, RejectReason
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.recovery import Recovery
from pipeline.wire.alerts import encode_alert
from pipeline.wire.headers import is_tick
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.rejected import rejected_message


class AlertTopics(msgspec.Struct, frozen=True):
    """The topics the alert stage reads and writes."""

    predictions: str
    alerts: str
    rejected: str


class AlertStage:
    """Judges the predictions of the assigned partitions by the rules; a `pipeline.stages.protocol.Stage`."""

    name = "alert"
    keeps_state = True
    tick_interval_ms: int | None = None

    def __init__(self, topics: AlertTopics, rules: Sequence[AlertRule]) -> None:
        self.source = topics.predictions
        self._topics = topics
        self._rules = tuple(rules)
        self._tasks: dict[int, _Partition] = {}
        self._counts: Counter[str] = Counter()

    def assign(self, handover: Handover) -> None:
        self._tasks[handover.partition] = _Partition(AlertMachine(self._rules), handover)

    def revoke(self, partition: int) -> None:
        self._counts.update(self._tasks.pop(partition).judgements())

    def step(self, records: Sequence[Record], now_ms: int) -> Sequence[Message]:
        """The alerts of the records, and the records that are no predictions, in order."""
        messages: list[Message] = []
        for record in records:
            task = self._tasks[record.partition]
            task.next_offset = record.offset + 1
            self._counts["received"] += 1
            if is_tick(record):
                self._counts["ignored"] += 1
                continue
            prediction = _decode(record)
            if isinstance(prediction, Rejection):
                self._counts[f"rejected_{prediction.reason}"] += 1
                messages.append(rejected_message(self._topics.rejected, record, prediction))
                continue
            for alert in task.machine.take(prediction, record.offset):
                messages.append(Message(self._topics.alerts, alert.device.encode(), encode_alert(alert)))
        return messages

    def tick(self, partition: int) -> Message | None:
        """None: alerts do not wait for time to pass."""
        return None

    def unsaved_bytes(self) -> int:
        return sum([task.machine.unsaved_bytes for task in self._tasks.values()])

    def checkpoint(self, partition: int) -> Checkpoint:
        task = self._tasks[partition]
        return task.recovery.checkpoint(task.next_offset)

    def committed(self, partition: int) -> Sequence[Write]:
        return self._tasks[partition].recovery.committed()

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        """Nothing: an episode is closed by a prediction only."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Totals of records received and rejected, and of the machines' judgements."""
        totals = self._counts.copy()
        for task in self._tasks.values():
            totals.update(task.judgements())
        return totals


class _Partition:
    def __init__(self, machine: AlertMachine, handover: Handover) -> None:
        self.machine = machine
        self.recovery = Recovery(machine, handover)
        self.next_offset = handover.offset

    def judgements(self) -> dict[str, int]:
        counts: dict[str, int] = msgspec.structs.asdict(self.machine.counts)
        return counts


def _decode(record: Record) -> Prediction | Rejection:
    if not record.value:
        return Rejection(RejectReason.JSON, "not JSON: the value is empty")
    try:
        prediction = decode_prediction(record.value)
    except ValueError as error:
        return Rejection(RejectReason.SCHEMA if _is_json(record.value) else RejectReason.JSON, str(error))
    if record.key != prediction.device.encode():
        return Rejection(RejectReason.KEY, f"the record key is {record.key!r}, not the device {prediction.device!r}")
    return prediction


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True

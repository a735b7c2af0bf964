"""The alert stage: predictions in, alerts out; what is no prediction goes to the rejected topic. Knows no rule.

What is remembered of the devices is not written anywhere yet. So a position is only offered for committing while nothing is
remembered of the partition's devices; otherwise a restart reads again from the last commit and derives the same alerts, with
the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pipeline.brokers.protocol import Assignment, Message, Position, Record
from pipeline.core.alerting import AlertMachine
from pipeline.records import Prediction, Rejection, RejectReason
from pipeline.wire.alerts import encode_alert
from pipeline.wire.headers import is_tick
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.rejected import rejected_message


class _Partition(msgspec.Struct):
    next_offset: int | None  # None: nothing read and nothing committed
    devices: set[str] = set()  # those that the machine remembers


class AlertStage:
    """Judges the predictions of the assigned partitions by the rules of `machine`; a device is in one partition, by its key."""

    name = "alert"
    tick_interval_ms: int | None = None

    def __init__(self, source: str, alerts_topic: str, rejected_topic: str, machine: AlertMachine) -> None:
        self.source = source
        self._alerts_topic = alerts_topic
        self._rejected_topic = rejected_topic
        self._machine = machine
        self._partitions: dict[int, _Partition] = {}
        self._received = 0
        self._ignored = 0  # ticks
        self._rejected = dict.fromkeys((RejectReason.JSON, RejectReason.SCHEMA, RejectReason.KEY), 0)

    def assign(self, assignment: Assignment) -> None:
        """Begins a partition with nothing remembered."""
        self.revoke(assignment.partition)
        self._partitions[assignment.partition] = _Partition(assignment.committed.offset if assignment.committed else None)

    def revoke(self, partition: int) -> None:
        """Forgets the partition's devices."""
        forgotten = self._partitions.pop(partition, None)
        for device in forgotten.devices if forgotten else ():
            self._machine.forget(device)

    def step(self, records: Sequence[Record], now_ms: int) -> Sequence[Message]:
        """The alerts of the records, and the records that are no predictions, in order."""
        messages: list[Message] = []
        for record in records:
            self._received += 1
            partition = self._partitions[record.partition]
            partition.next_offset = record.offset + 1
            if is_tick(record):
                self._ignored += 1
                continue
            prediction = _decode(record)
            if isinstance(prediction, Rejection):
                self._rejected[prediction.reason] += 1
                messages.append(rejected_message(self._rejected_topic, record, prediction))
            else:
                messages.extend(self._judge(partition, prediction))
        return messages

    def tick(self, partition: int) -> Message | None:
        """None: alerts do not wait for time to pass."""
        return None

    def checkpoint(self, partition: int) -> Position | None:
        """The place after the last record taken, while no device of the partition is remembered."""
        state = self._partitions[partition]
        if state.next_offset is None or state.devices:
            return None
        return Position(partition, state.next_offset)

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        """Nothing: an episode is closed by a prediction only."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Totals of records received and rejected, and of the machine's judgements."""
        rejected = {f"rejected_{reason}": count for reason, count in self._rejected.items()}
        return {"received": self._received, "ignored": self._ignored, **rejected, **msgspec.structs.asdict(self._machine.counts)}

    def _judge(self, partition: _Partition, prediction: Prediction) -> list[Message]:
        alerts = self._machine.judge(prediction)
        if self._machine.remembers(prediction.device):
            partition.devices.add(prediction.device)
        return [Message(self._alerts_topic, alert.device.encode(), encode_alert(alert)) for alert in alerts]


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

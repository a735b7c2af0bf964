"""What the alert stages read: for each kind of input topic, how a record becomes alerts. One object for one partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from pipeline.brokers.protocol import Record
from pipeline.core.alert_clock import ClockMachine
from pipeline.core.alert_groups import GroupMachine
from pipeline.core.alert_rules import AlertRule, ClockRule, Rule
from pipeline.core.alert_states import RuleStates
from pipeline.core.alerting import AlertMachine
from pipeline.core.arrival import ArrivalClock
from pipeline.records import Alert, Rejection, RejectReason
from pipeline.wire.alerts import decode_member
from pipeline.wire.headers import is_tick
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.refused import refused
from pipeline.wire.windows import decode_window


class AlertInput(Protocol):
    """The records of one partition, judged by a machine with state for each device (or group)."""

    @property
    def machine(self) -> RuleStates[Any]:
        """Whose state is saved."""
        ...

    @property
    def clock(self) -> ArrivalClock:
        """The partition's; only the input of refused readings moves it."""
        ...

    def take(self, record: Record) -> Sequence[Alert] | Rejection | None:
        """The alerts of a record, or why it is rejected; None for one that says nothing here."""
        ...

    @property
    def waits_for_time(self) -> bool:
        """Whether only time can clear something that is open."""
        ...

    def counts(self) -> Mapping[str, int]:
        """The machine's totals."""
        ...


class PredictionInput:
    """Predictions, judged by the rules about outputs."""

    waits_for_time = False

    def __init__(self, rules: Sequence[AlertRule], clock: ArrivalClock) -> None:
        self.machine, self.clock = AlertMachine(rules), clock

    def take(self, record: Record) -> Sequence[Alert] | Rejection | None:
        if is_tick(record):
            return None
        if not record.value:
            return Rejection(RejectReason.JSON, "not JSON: the value is empty")
        try:
            prediction = decode_prediction(record.value)
        except ValueError as error:
            return Rejection(RejectReason.SCHEMA if _is_json(record.value) else RejectReason.JSON, str(error))
        return _key_refusal(record, prediction.device) or self.machine.take(prediction, record.offset)

    def counts(self) -> Mapping[str, int]:
        return _totals(self.machine.counts)


class WindowInput:
    """Windows, judged by the rules about them. What is no window is passed over: the score stage rejects it."""

    waits_for_time = False

    def __init__(self, rules: Sequence[AlertRule], clock: ArrivalClock) -> None:
        self.machine, self.clock = AlertMachine(rules), clock

    def take(self, record: Record) -> Sequence[Alert] | Rejection | None:
        try:
            window = decode_window(record.value or b"")
        except ValueError:
            return None
        return None if _key_refusal(record, window.device) else self.machine.take(window, record.offset)

    def counts(self) -> Mapping[str, int]:
        return _totals(self.machine.counts)


class RefusedInput:
    """The rejected topic, judged by the rules about clocks. All but readings that were refused for their time is passed over."""

    def __init__(self, rules: Sequence[ClockRule], clock: ArrivalClock, readings: str) -> None:
        self.machine, self.clock = ClockMachine(rules, clock), clock
        self._readings = readings

    @property
    def waits_for_time(self) -> bool:
        return self.machine.waits_for_time

    def take(self, record: Record) -> Sequence[Alert] | Rejection | None:
        if is_tick(record) and not record.headers:
            return self.machine.tick(record.timestamp, record.offset)
        try:
            reading = refused(record, self._readings)
        except ValueError:
            return None
        return None if reading is None else self.machine.take(reading, record.offset)

    def counts(self) -> Mapping[str, int]:
        return _totals(self.machine.counts)


class MemberInput:
    """The alerts of groups' devices, counted by group. The topic is ours alone; what is none of ours is passed over."""

    waits_for_time = False

    def __init__(self, rules: Sequence[Rule], clock: ArrivalClock) -> None:
        self.machine, self.clock = GroupMachine(rules), clock

    def take(self, record: Record) -> Sequence[Alert] | Rejection | None:
        try:
            member = decode_member(record.value or b"")
        except ValueError:
            return None
        return self.machine.take(member, record.offset)

    def counts(self) -> Mapping[str, int]:
        return _totals(self.machine.counts)


def _key_refusal(record: Record, device: str) -> Rejection | None:
    if record.key == device.encode():
        return None
    return Rejection(RejectReason.KEY, f"the record key is {record.key!r}, not the device {device!r}")


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _totals(counts: msgspec.Struct) -> Mapping[str, int]:
    totals: dict[str, int] = msgspec.structs.asdict(counts)
    return totals

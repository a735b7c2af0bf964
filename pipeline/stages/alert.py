"""The alert stages: predictions, windows, refused readings or the alerts of groups' devices in; alerts out.

One class: each input topic has a stage of its own, with its own consumer group, position and state, so that recovery is that
of any stage. What differs is how a record becomes alerts (`pipeline.stages.alert_inputs`). Knows no rule.

A device is in one partition, by its key, so each partition has a machine of its own, with the state of its devices. The
devices of a group are not: the alerts of a rule for groups go to the members topic, under the group as key, and the stage
that reads it counts them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pipeline.brokers.protocol import Message, Record
from pipeline.core.alert_conditions import AlertSource
from pipeline.core.alert_rules import AlertRule, ClockRule, Group, Rule
from pipeline.core.alert_states import Orphan
from pipeline.core.arrival import ArrivalClock
from pipeline.core.keyed_state import Write
from pipeline.logs import fields
from pipeline.records import Alert, Member, Rejection
from pipeline.stages.alert_inputs import AlertInput, MemberInput, PredictionInput, RefusedInput, WindowInput
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.recovery import Recovery
from pipeline.wire.alerts import encode_alert, encode_member
from pipeline.wire.headers import tick
from pipeline.wire.rejected import rejected_message

log = logging.getLogger(__name__)


class AlertTopics(msgspec.Struct, frozen=True):
    """The topics that the alert stages read and write."""

    predictions: str
    alerts: str
    rejected: str
    windows: str = ""
    readings: str = ""
    members: str = ""  # alerts of devices whose groups have the alert


OpenInput = Callable[[ArrivalClock], AlertInput]


class AlertStage:
    """Judges the records of the assigned partitions by the rules; a `pipeline.stages.protocol.Stage`."""

    keeps_state = True

    def __init__(self, name: str, source: str, topics: AlertTopics, open_input: OpenInput, rules: Sequence[Rule]) -> None:
        """`rules`: those whose alerts are devices' alerts of groups go to the members topic."""
        self.name = name
        self.source = source
        self.tick_interval_ms: int | None = None
        self._topics = topics
        self._open_input = open_input
        self._groups = {rule.name: rule.scope.groups for rule in rules if rule.scope.groups}
        self._tasks: dict[int, _Partition] = {}
        self._counts: Counter[str] = Counter()

    def assign(self, handover: Handover) -> None:
        self._tasks[handover.partition] = _Partition(self._open_input, handover)

    def revoke(self, partition: int) -> None:
        self._counts.update(self._tasks.pop(partition).input.counts())

    def step(self, records: Sequence[Record], now_ms: int) -> Sequence[Message]:
        """The alerts of the records, and the records that are rejected, in order."""
        messages: list[Message] = []
        for record in records:
            task = self._tasks[record.partition]
            task.next_offset = record.offset + 1
            self._counts["received"] += 1
            judged = task.input.take(record)
            if judged is None:
                self._counts["ignored"] += 1
            elif isinstance(judged, Rejection):
                self._counts[f"rejected_{judged.reason}"] += 1
                messages.append(rejected_message(self._topics.rejected, record, judged))
            else:
                messages += [message for alert in judged for message in self._messages(alert)]
        return messages

    def tick(self, partition: int) -> Message | None:
        return tick(self.source, partition) if self._tasks[partition].input.waits_for_time else None

    def unsaved_bytes(self) -> int:
        return sum([task.input.machine.unsaved_bytes for task in self._tasks.values()])

    def checkpoint(self, partition: int) -> Checkpoint:
        task = self._tasks[partition]
        clock = task.input.clock
        saved = task.recovery.checkpoint(task.next_offset, clock.now, clock.from_header)
        orphans, task.orphans = task.orphans, []
        return msgspec.structs.replace(saved, messages=[message for orphan in orphans for message in self._farewell(orphan)])

    def committed(self, partition: int) -> Sequence[Write]:
        return self._tasks[partition].recovery.committed()

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        """Nothing: what is not over stays open."""
        return ()

    def counts(self) -> Mapping[str, int]:
        """Totals of records received and rejected, and of the machines' judgements."""
        totals = self._counts.copy()
        for task in self._tasks.values():
            totals.update(task.input.counts())
        return totals

    def _farewell(self, orphan: Orphan) -> list[Message]:
        """To whoever was told of the episode; where the rule has gone with its groups, their own stage ends their episodes."""
        alert = orphan.alert
        self._counts["cleared"] += 1
        log.info("alert cleared: the rule is removed", extra=fields(alert=alert.id, device=alert.device, rule=alert.rule))
        if not orphan.grouped:
            return [self._to_receivers(alert)]
        # All of them: a device that has left a group since must not hold for it.
        return [self._to_group(group, alert) for group in self._groups.get(alert.rule, ())]

    def _messages(self, alert: Alert) -> list[Message]:
        chain = fields(alert=alert.id, device=alert.device, rule=alert.rule, predictions=alert.predictions, windows=alert.windows)
        log.info("alert %s", alert.state, extra=chain)
        groups = self._groups.get(alert.rule)
        if groups is None:
            return [self._to_receivers(alert)]
        return [self._to_group(group, alert) for group in groups if group.has(alert.device)]

    def _to_receivers(self, alert: Alert) -> Message:
        return Message(self._topics.alerts, alert.device.encode(), encode_alert(alert))

    def _to_group(self, group: Group, alert: Alert) -> Message:
        return Message(self._topics.members, group.name.encode(), encode_member(Member(group.name, alert)))


class _Partition:
    def __init__(self, open_input: OpenInput, handover: Handover) -> None:
        clock = ArrivalClock()
        self.input = open_input(clock)
        self.recovery = Recovery(self.input.machine, handover)
        self.next_offset = handover.offset
        self.orphans = self.input.machine.take_orphans()
        clock.now, clock.from_header = self.recovery.mark.arrival, self.recovery.mark.from_header


def prediction_alerts(topics: AlertTopics, rules: Sequence[AlertRule]) -> AlertStage:
    """The stage for rules about outputs."""
    return AlertStage("alert", topics.predictions, topics, lambda clock: PredictionInput(rules, clock), rules)


def window_alerts(topics: AlertTopics, rules: Sequence[AlertRule]) -> AlertStage:
    """The stage for rules about windows."""
    return AlertStage("alert.windows", topics.windows, topics, lambda clock: WindowInput(rules, clock), rules)


def clock_alerts(topics: AlertTopics, rules: Sequence[ClockRule], tick_interval_ms: int | None) -> AlertStage:
    """The stage for rules about clocks. It asks its topic for the time while an episode is open, unless that is None."""
    stage = AlertStage("alert.clocks", topics.rejected, topics, lambda clock: RefusedInput(rules, clock, topics.readings), rules)
    stage.tick_interval_ms = tick_interval_ms
    return stage


def group_alerts(topics: AlertTopics, rules: Sequence[Rule]) -> AlertStage:
    """The stage that counts the devices of groups."""
    return AlertStage("alert.groups", topics.members, topics, lambda clock: MemberInput(rules, clock), ())


def alert_stages(topics: AlertTopics, rules: Sequence[Rule], tick_interval_ms: int | None) -> list[AlertStage]:
    """The stages that the rules need, in the order of the flow; that for rules about outputs is always there."""
    judged = [rule for rule in rules if isinstance(rule, AlertRule)]
    clocks = [rule for rule in rules if isinstance(rule, ClockRule)]
    of_windows = [rule for rule in judged if rule.source is AlertSource.WINDOWS]
    stages = [prediction_alerts(topics, [rule for rule in judged if rule.source is AlertSource.PREDICTIONS])]
    if of_windows:
        stages.append(window_alerts(topics, of_windows))
    if clocks:
        stages.append(clock_alerts(topics, clocks, tick_interval_ms))
    if any(rule.scope.groups for rule in rules):
        stages.append(group_alerts(topics, [rule for rule in rules if rule.scope.groups]))
    return stages


def unneeded_stages(topics: AlertTopics, needed: Sequence[AlertStage]) -> list[AlertStage]:
    """The stages that no rule needs: all that they do is to end the episodes of rules that were there."""
    names = {stage.name for stage in needed}
    others = [window_alerts(topics, ()), clock_alerts(topics, (), None), group_alerts(topics, ())]
    return [stage for stage in others if stage.name not in names]

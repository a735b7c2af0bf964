"""Alerts of groups: raised while at least so many devices of a group hold, cleared when they are fewer.

Takes the alerts of the group's devices, which come in order for each device and rule, apart from repeats. They are numbered,
so a repeat is one that is not further than the last: by number, then raised before cleared. Alerts of different devices are
taken as they come, which is the order of time only where nobody is behind: waiting for the slowest partition instead would
hold an alert back for as long as one of them is silent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from pipeline.core.alert_memory import OpenEpisode, next_number
from pipeline.core.alert_rules import Group, Rule
from pipeline.core.alert_states import RuleStates
from pipeline.records import Alert, AlertState, Member


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """A device's last alert under a rule."""

    number: int
    cleared: bool

    def covers(self, other: Standing) -> bool:
        """Whether `other`, coming after this one, can only be a repeat."""
        return (other.number, other.cleared) <= (self.number, self.cleared)


class GroupMemory(msgspec.Struct, array_like=True):
    """One group under one rule: how its devices stand, and its open episode."""

    devices: dict[str, Standing] = {}
    episode: OpenEpisode | None = None
    number: int = 0


class GroupState(msgspec.Struct, array_like=True):
    """What is remembered of one group, by rule name, up to the record at offset `applied`."""

    applied: int = -1
    rules: dict[str, GroupMemory] = {}


class GroupCounts(msgspec.Struct):
    """Running totals of the devices' alerts and of the groups'."""

    judged: int = 0
    repeated: int = 0
    unknown: int = 0  # of a rule or a group that the configuration has no more
    raised: int = 0
    cleared: int = 0


STANDING_BYTES = 60


class GroupMachine(RuleStates[GroupState]):
    """Counts the devices that hold, group by group. A `pipeline.core.keyed_state.Keyed` machine whose keys are the groups."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__(GroupState, rules)
        self._rules = {rule.name: rule for rule in rules}
        self.counts = GroupCounts()

    def take(self, member: Member, offset: int) -> list[Alert]:
        """The alert of the group that this alert of one of its devices raises or clears."""
        state = self._states.get(member.group, GroupState())
        rule = self._rules.get(member.alert.rule)
        group = None if rule is None else next((group for group in rule.scope.groups if group.name == member.group), None)
        if rule is None or group is None:
            self.counts.unknown += 1
            return []
        if offset <= state.applied:
            return []
        self._states[member.group] = state
        state.applied = offset
        self.touched.add(member.group)
        memory = state.rules.setdefault(rule.name, GroupMemory())
        self.unsaved_bytes += STANDING_BYTES * (1 + len(memory.devices))
        alert = self._count(rule, group, memory, member.alert)
        return [] if alert is None else [alert]

    def _is_about(self, device: str, name: str, episode: OpenEpisode | None) -> bool:
        """Whether the rule still has the group, whose name is the key."""
        rule = self._rules.get(name)
        return rule is not None and any(group.name == device for group in rule.scope.groups)

    def _count(self, rule: Rule, group: Group, memory: GroupMemory, alert: Alert) -> Alert | None:
        stands = Standing(alert.number, alert.state is AlertState.CLEARED)
        before = memory.devices.get(alert.device)
        if before is not None and before.covers(stands):
            self.counts.repeated += 1
            return None
        self.counts.judged += 1
        memory.devices[alert.device] = stands
        # A device that has left the group since does not hold for it.
        holding = tuple(sorted(device for device, last in memory.devices.items() if not last.cleared and group.has(device)))
        episode, enough, value = memory.episode, len(holding) >= rule.scope.at_least, float(len(holding))
        if enough is (episode is not None):
            memory.episode = None if episode is None else episode.judged(alert.time, value)
            return None
        if episode is None:
            state, episode = AlertState.RAISED, OpenEpisode(_episode_id(rule, group, alert), alert.time, alert.time, value)
            memory.episode, memory.number = episode, next_number(memory.number, alert.time)
            self.counts.raised += 1
        else:
            state, memory.episode = AlertState.CLEARED, None
            self.counts.cleared += 1
        return Alert(episode.id, group.name, rule.name, state, episode.since, alert.time, value, (), memory.number, devices=holding)


def _episode_id(rule: Rule, group: Group, alert: Alert) -> str:
    parts = (rule.name, group.name, alert.device, alert.id)
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()

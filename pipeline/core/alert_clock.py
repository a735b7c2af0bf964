"""Devices with a wrong clock: from readings that were refused because of their time, N of a device within a time.

What tells that the clock is right again is silence: no such reading until the arrival clock of the partition is at the last
one + `clear_after`. The arrival clock is that of the refused readings and of ticks, so it is a function of the log. Devices
are cleared before the record that moved the clock is looked at, in the order of (last refused, device), and only those whose
last record lies before it (the same order as `pipeline.core.windower`'s idle devices, for the same reason: a restart).

**Repeats.** Of one device refused readings come in the order of their places in the log of readings. One at or before the
last place is a repeat, unless it arrived later: then the topic was made anew. A replay brings its own time: the clock follows
it, back too, and what lies further apart than `within` is not counted together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from pipeline.core.alert_memory import OpenEpisode, next_number
from pipeline.core.alert_rules import ClockRule, require_different_names
from pipeline.core.alert_states import RuleStates
from pipeline.core.arrival import ArrivalClock
from pipeline.records import Alert, AlertState, RejectReason


class Place(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A reading in the log of readings; `index` is its place in a batch record."""

    topic: str
    partition: int
    offset: int
    index: int = 0


class Refused(msgspec.Struct, frozen=True):
    """A reading on the rejected topic; `arrival` in ms."""

    device: str
    reason: RejectReason
    place: Place
    arrival: int
    from_header: bool = False  # a replay's


class ClockMemory(msgspec.Struct, array_like=True):
    """One device under one rule: the arrivals of the last `count` refused readings, and the open episode."""

    arrivals: list[int] = []
    episode: OpenEpisode | None = None
    cleared_at: int | None = None
    number: int = 0


class ClockState(msgspec.Struct, array_like=True):
    """What is remembered of one device, up to the record at offset `applied`."""

    applied: int = -1
    place: Place | None = None
    arrival: int = 0  # the highest
    rules: dict[str, ClockMemory] = {}


class ClockCounts(msgspec.Struct):
    """Running totals; a refused reading is counted once."""

    judged: int = 0
    repeated: int = 0
    raised: int = 0
    cleared: int = 0


MEMORY_BYTES = 200


class ClockMachine(RuleStates[ClockState]):
    """Counts refused readings, device by device. A `pipeline.core.keyed_state.Keyed` machine."""

    def __init__(self, rules: Sequence[ClockRule], clock: ArrivalClock) -> None:
        super().__init__(ClockState, rules)
        self._rules = {rule.name: rule for rule in rules}
        require_different_names(tuple(rules))
        self.clock = clock
        self.counts = ClockCounts()
        self._open: set[str] = set()  # devices with an open episode

    @property
    def waits_for_time(self) -> bool:
        """Whether an episode is open that the time of the day can clear."""
        return bool(self._open) and not self.clock.from_header

    def take(self, refused: Refused, offset: int) -> list[Alert]:
        """The alerts of the time that has passed, then those of the reading; none for a device that no rule is about."""
        rules = [rule for rule in self._rules.values() if refused.reason in rule.reasons and rule.scope.has(refused.device)]
        if not rules:
            return []
        state = self._states.setdefault(refused.device, ClockState())
        is_new = offset > state.applied
        if is_new and state.place is not None and _is_repeat(refused, state.place, state.arrival):
            self.counts.repeated += 1
            return []
        alerts = self._pass_time(refused.arrival, refused.from_header, offset)
        if not is_new:
            return alerts
        state.applied, state.place, state.arrival = offset, refused.place, max(state.arrival, refused.arrival)
        self._touch(refused.device)
        self.counts.judged += 1
        raised = [self._count(rule, state.rules.setdefault(rule.name, ClockMemory()), refused) for rule in rules]
        return [*alerts, *[alert for alert in raised if alert is not None]]

    def tick(self, arrival: int, offset: int) -> list[Alert]:
        """Time has passed. A tick tells nothing while a replay's time is the partition's."""
        if self.clock.from_header:
            return []
        return self._pass_time(arrival, False, offset)

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """As all machines of rules; an episode that was open is open again."""
        super().load(device, applied, state)
        if device in self._states:
            self._note(device, self._states[device])

    def _count(self, rule: ClockRule, memory: ClockMemory, refused: Refused) -> Alert | None:
        near = [arrival for arrival in memory.arrivals if abs(refused.arrival - arrival) <= rule.within_ms]
        memory.arrivals = [*near, refused.arrival][-rule.count :]
        if memory.episode is not None:
            memory.episode = memory.episode.judged(refused.arrival, float(len(memory.arrivals)))
            return None
        if len(memory.arrivals) < rule.count:
            return None
        if memory.cleared_at is not None and abs(refused.arrival - memory.cleared_at) < rule.cooldown_ms:
            return None
        judged = (refused.arrival, float(len(memory.arrivals)))
        memory.episode = OpenEpisode(_episode_id(rule, refused), refused.arrival, *judged, bool(rule.scope.groups))
        memory.number = next_number(memory.number, refused.arrival)
        self._open.add(refused.device)
        self.counts.raised += 1
        return _alert(rule, refused.device, memory, memory.episode, refused.arrival)

    def _pass_time(self, arrival: int, from_header: bool, offset: int) -> list[Alert]:
        """Moves the clock and clears what is over by it."""
        if from_header:
            self.clock.reset(arrival)
        else:
            self.clock.move(arrival, from_header=False)
        now, alerts = self.clock.now or 0, []
        for _, device in sorted((self._states[device].arrival, device) for device in self._open):
            state = self._states[device]
            for name, memory in state.rules.items() if state.applied < offset else ():
                rule = self._rules[name]
                if memory.episode is not None and memory.arrivals[-1] + rule.cleared_after_ms <= now:
                    alerts.append(self._end(rule, device, memory, memory.episode))
            self._note(device, state)
        return alerts

    def _end(self, rule: ClockRule, device: str, memory: ClockMemory, episode: OpenEpisode) -> Alert:
        memory.cleared_at = memory.arrivals[-1] + rule.cleared_after_ms
        memory.episode, memory.arrivals = None, []
        self.counts.cleared += 1
        self._touch(device)
        return _alert(rule, device, memory, episode, memory.cleared_at)

    def _note(self, device: str, state: ClockState) -> None:
        is_open = any(memory.episode is not None for memory in state.rules.values())
        (self._open.add if is_open else self._open.discard)(device)

    def _touch(self, device: str) -> None:
        self.touched.add(device)
        self.unsaved_bytes += MEMORY_BYTES


def _is_repeat(refused: Refused, place: Place, arrival: int) -> bool:
    same_log = (refused.place.topic, refused.place.partition) == (place.topic, place.partition)
    return same_log and refused.place <= place and refused.arrival <= arrival


def _alert(rule: ClockRule, device: str, memory: ClockMemory, episode: OpenEpisode, time: int) -> Alert:
    state = AlertState.RAISED if memory.episode is not None else AlertState.CLEARED
    return Alert(episode.id, device, rule.name, state, episode.since, time, float(len(memory.arrivals)), (), memory.number)


def _episode_id(rule: ClockRule, refused: Refused) -> str:
    # Not the place in the log: a replay of the same recording gives the same ids, whatever the number of partitions.
    parts = (rule.name, refused.device, refused.arrival)
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()

"""The machine that turns predictions, or windows, into episodes: raised once, cleared once, one id.

By numbers, for `below = 20, clear_above = 30, for = "3 of 5"` (outputs of one device in order):

    80 19 25 18 17        the fifth raises: 19, 18 and 17 are 3 of the last 5 below 20; 20 itself is not below
    35 25 35 19 30        the last clears: 35, 35 and 30 are 3 of the last 5 at or above 30
    25 19 28 80 18 80 17  no alert: never 3 of 5

- Clearing takes the same N of M as raising. With a single prediction one outlier would end the episode, and the next
  prediction below 20 would begin another.
- What was judged when an alert was raised or cleared is no evidence for the next one. With "1 of 5" the four healthy
  outputs before the one that raises would clear it again at once.
- The cooldown begins when an episode is cleared: no new one is raised for that device and rule before `cleared + cooldown`.
  Counted from the raise it would be over when a long episode ends, just when the output wavers about the bound. Predictions
  judged meanwhile are evidence: the first one beyond the bound after the cooldown raises if N of M hold then.
- Time is the arrival of a window's last record. A time further before the clearing than the cooldown is another stretch of
  time (a replay) and not held back.
- A window counts once, whatever number of models scored it: the first prediction that has the rule's output.

It relies on one order: a device's predictions come in the order of its windows, apart from repeats. Windows themselves are
judged in the same way, by the rules about windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from pipeline.core.alert_conditions import AlertSource, level, lookback
from pipeline.core.alert_memory import Judgement, OpenEpisode, RuleMemory, Sighting, next_number, sighting
from pipeline.core.alert_rules import AlertRule, require_different_names
from pipeline.core.alert_states import RuleStates
from pipeline.records import Alert, AlertState, Prediction, Window

PREDICTION_BYTES = 300  # of a saved judgement and mark of one rule


class DeviceState(msgspec.Struct, array_like=True):
    """What is remembered of one device, by rule name, up to the prediction at offset `applied`."""

    applied: int = -1
    rules: dict[str, RuleMemory] = {}


class AlertCounts(msgspec.Struct):
    """Running totals; a prediction, or a window, is counted once for each rule about its device."""

    judged: int = 0
    repeated: int = 0  # judged before: read again, or of an older version of the window
    early: int = 0  # of a window that is not final, under a rule for final ones
    missing_output: int = 0  # the rule cannot tell: the prediction lacks its output, the window is too short
    raised: int = 0
    cleared: int = 0


class AlertMachine(RuleStates[DeviceState]):
    """Judges predictions or windows by rules, device by device. Raises `PolicyError` where two rules have one name.

    Holds, for each device and rule, at most `of` judgements (and one) and `alert_memory.MARKS` marks. A
    `pipeline.core.keyed_state.Keyed` machine.
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        super().__init__(DeviceState, rules)
        self._rules = tuple(rules)
        require_different_names(self._rules)
        self.counts = AlertCounts()

    def take(self, seen: Prediction | Window, offset: int) -> list[Alert]:
        """`judge`, unless what is at `offset` is already in the device's restored state."""
        device = seen.device
        if device in self._states and offset <= self._states[device].applied:
            return []
        alerts = self.judge(seen)
        if device in self._states:
            self._states[device].applied = offset
            self.touched.add(device)
            self.unsaved_bytes += PREDICTION_BYTES * len(self._rules)
        return alerts

    def judge(self, seen: Prediction | Window) -> list[Alert]:
        """The alerts that this prediction or window raises or clears: at most one for each rule, in the order of the rules."""
        alerts = (self._judge(rule, seen) for rule in self._rules if rule.scope.has(seen.device))
        return [alert for alert in alerts if alert is not None]

    def remembers(self, device: str) -> bool:
        """Whether anything is known of the device."""
        return device in self._states

    def _judge(self, rule: AlertRule, seen: Prediction | Window) -> Alert | None:
        at = sighting(seen)
        if not (at.final or rule.early):
            self.counts.early += 1
            return None
        value = rule.condition.measure(seen)
        if value is None:
            self.counts.missing_output += 1
            return None
        memory = self._states.setdefault(at.device, DeviceState()).rules.setdefault(rule.name, RuleMemory())
        if not memory.take(at):
            self.counts.repeated += 1
            return None
        self.counts.judged += 1
        return self._alert(rule, memory, at, value)

    def _alert(self, rule: AlertRule, memory: RuleMemory, at: Sighting, value: float) -> Alert | None:
        judgement = memory.judge(at, value, keep=rule.of + lookback(rule.condition))
        episode, limits, judgements = memory.episode, rule.condition.limits, memory.judgements
        crosses = limits.raises if episode is None else limits.clears
        place = next((place for place in reversed(range(len(judgements))) if judgements[place] is judgement), None)
        measured = None if place is None else level(rule.condition, judgements, place)
        if episode is not None and measured is not None:
            memory.episode = episode.judged(at.time, measured)
        # What was judged must be part of the evidence: nothing is raised by a healthy output, at the end of a cooldown say.
        if measured is None or judgement.spent or not crosses(measured):
            return None
        evidence = [judgements[place] for place in _last(judgements, rule.of) if _holds(rule, judgements, place, crosses)]
        if len(evidence) < rule.needed:
            return None
        if episode is None:
            if memory.cleared_at is not None and abs(at.time - memory.cleared_at) < rule.cooldown_ms:
                return None
            state, episode = AlertState.RAISED, OpenEpisode(_episode_id(rule, at), at.time, at.time, measured, bool(rule.scope.groups))
            memory.episode, memory.number = episode, next_number(memory.number, at.time)
            self.counts.raised += 1
        else:
            state, memory.episode, memory.cleared_at = AlertState.CLEARED, None, at.time
            self.counts.cleared += 1
        memory.spend()
        causes = tuple(judged.cause for judged in evidence)
        alert = Alert(episode.id, at.device, rule.name, state, episode.since, at.time, measured, causes, memory.number)
        return alert if rule.source is AlertSource.PREDICTIONS else msgspec.structs.replace(alert, predictions=(), windows=causes)


def _last(judgements: Sequence[Judgement], count: int) -> range:
    return range(max(0, len(judgements) - count), len(judgements))


def _holds(rule: AlertRule, judgements: Sequence[Judgement], place: int, crosses: Callable[[float], bool]) -> bool:
    """Whether the judgement is evidence."""
    if judgements[place].spent:
        return False
    measured = level(rule.condition, judgements, place)
    return measured is not None and crosses(measured)


def _episode_id(rule: AlertRule, at: Sighting) -> str:
    # Sequence and revision belong to it: the early predictions of one window can raise more than once.
    parts = (rule.name, at.device, at.window, at.sequence, at.revision)
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()

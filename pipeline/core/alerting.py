"""Alert rules, and the machine that turns predictions into episodes: raised once, cleared once, one id.

By numbers, for `below = 20, clear_above = 30, for = "3 of 5"` (outputs of one device in order):

    80 19 25 18 17        the fifth raises: 19, 18 and 17 are 3 of the last 5 below 20; 20 itself is not below
    35 25 35 19 30        the last clears: 35, 35 and 30 are 3 of the last 5 at or above 30
    25 19 28 18 80 17     no alert: never 3 of 5

- Clearing takes the same N of M as raising. With a single prediction one outlier would end the episode, and the next
  prediction below 20 would begin another.
- What was judged when an alert was raised or cleared is no evidence for the next one. With "1 of 5" the four healthy
  outputs before the one that raises would clear it again at once.
- A bound is crossed strictly, the clearing bound is reached: without hysteresis every output is on one side.
- The cooldown begins when an episode is cleared: no new one is raised for that device and rule before `cleared + cooldown`.
  Counted from the raise it would be over when a long episode ends, just when the output wavers about the bound. Predictions
  judged meanwhile are evidence: the first one beyond the bound after the cooldown raises if N of M hold then.
- Time is the arrival of a window's last record. A time further before the clearing than the cooldown is another stretch of
  time (a replay) and not held back.
- A window counts once, whatever number of models scored it: the first prediction that has the rule's output.

It relies on one order: a device's predictions come in the order of its windows, apart from repeats.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pipeline.core.alert_memory import OpenEpisode, RuleMemory
from pipeline.core.policy import PolicyError
from pipeline.records import Alert, AlertState, Prediction


@dataclass(frozen=True)
class AlertRule:
    """Raises when `output` is below or above a bound in `needed` of the last `of` windows; clears beyond the clearing bound.

    A clearing bound that is None is the bound itself. Raises `PolicyError` for values that contradict each other.
    """

    name: str
    output: str
    below: float | None = None
    above: float | None = None
    clear_above: float | None = None
    clear_below: float | None = None
    needed: int = 1
    of: int = 1
    cooldown_ms: int = 0
    early: bool = False

    def __post_init__(self) -> None:
        for key in ("name", "output"):
            _require(bool(getattr(self, key)), key, '""', "must not be empty")
        for key in ("below", "above", "clear_above", "clear_below"):
            value = getattr(self, key)
            _require(value is None or math.isfinite(value), key, value, "must be a finite number")
        self._check_bounds()
        _require(1 <= self.needed <= self.of, "for", f'"{self.needed} of {self.of}"', 'must be "N of M" with 1 <= N <= M')
        _require(self.cooldown_ms >= 0, "cooldown", self.cooldown_ms, "must not be negative")

    def _check_bounds(self) -> None:
        if self.below is not None:
            _require(self.above is None, "above", self.above, "a rule has either below or above")
            _require(self.clear_below is None, "clear_below", self.clear_below, "goes with above; a rule with below takes clear_above")
            holds = self.clear_above is None or self.clear_above >= self.below
            _require(holds, "clear_above", self.clear_above, f"must be at least below ({self.below})")
        else:
            _require(self.above is not None, "below", "none", "a rule needs below or above")
            _require(self.clear_above is None, "clear_above", self.clear_above, "goes with below; a rule with above takes clear_below")
            holds = self.clear_below is None or self.above is None or self.clear_below <= self.above
            _require(holds, "clear_below", self.clear_below, f"must be at most above ({self.above})")

    def raises(self, value: float) -> bool:
        """Whether the output is beyond the bound."""
        if self.below is not None:
            return value < self.below
        return self.above is not None and value > self.above

    def clears(self, value: float) -> bool:
        """Whether the output has reached the clearing bound."""
        if self.below is not None:
            return value >= (self.below if self.clear_above is None else self.clear_above)
        return self.above is not None and value <= (self.above if self.clear_below is None else self.clear_below)


PREDICTION_BYTES = 300  # of a saved judgement and mark of one rule


class DeviceState(msgspec.Struct, array_like=True):
    """What is remembered of one device, by rule name, up to the prediction at offset `applied`."""

    applied: int = -1
    rules: dict[str, RuleMemory] = {}


class AlertCounts(msgspec.Struct):
    """Running totals; a prediction is counted once for each rule."""

    judged: int = 0
    repeated: int = 0  # judged before: read again, or of an older version of the window
    early: int = 0  # of a window that is not final, under a rule for final ones
    missing_output: int = 0  # the prediction lacks the rule's output
    raised: int = 0
    cleared: int = 0


class AlertMachine:
    """Judges predictions by rules, device by device. Raises `PolicyError` where two rules have one name.

    Holds, for each device and rule, at most `of` judgements and `alert_memory.MARKS` marks. A
    `pipeline.core.keyed_state.Keyed` machine.
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        names: set[str] = set()
        for rule in rules:
            _require(rule.name not in names, "name", rule.name, "is the name of another rule")
            names.add(rule.name)
        self.counts = AlertCounts()
        self.touched: set[str] = set()
        self.unsaved_bytes = 0
        self.restored_until = -1
        self._rules = tuple(rules)
        self._devices: dict[str, DeviceState] = {}

    def take(self, prediction: Prediction, offset: int) -> list[Alert]:
        """`judge`, unless the prediction at `offset` is already in the device's restored state."""
        device = prediction.device
        if device in self._devices and offset <= self._devices[device].applied:
            return []
        alerts = self.judge(prediction)
        if device in self._devices:
            self._devices[device].applied = offset
            self.touched.add(device)
            self.unsaved_bytes += PREDICTION_BYTES * len(self._rules)
        return alerts

    def judge(self, prediction: Prediction) -> list[Alert]:
        """The alerts that this prediction raises or clears: at most one for each rule, in the order of the rules."""
        alerts = (self._judge(rule, prediction) for rule in self._rules)
        return [alert for alert in alerts if alert is not None]

    def remembers(self, device: str) -> bool:
        """Whether anything is known of the device."""
        return device in self._devices

    def dump(self, device: str) -> tuple[int, bytes] | None:
        """(applied, state) of a device; None where nothing is remembered of it."""
        state = self._devices.get(device)
        return None if state is None else (state.applied, _encoder.encode(state))

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what `dump` gave. Rules that are gone are left out, new ones begin without memory."""
        if state is None:
            return
        loaded = self._devices[device] = _decoder.decode(state)
        names = {rule.name for rule in self._rules}
        loaded.rules = {name: memory for name, memory in loaded.rules.items() if name in names}

    def migrate(self, device: str, applied: int, state: bytes | None) -> None:
        """The same as `load`: each rule's memory is known by its name."""
        self.load(device, applied, state)

    def _judge(self, rule: AlertRule, prediction: Prediction) -> Alert | None:
        if not (prediction.window.final or rule.early):
            self.counts.early += 1
            return None
        value = prediction.outputs.get(rule.output)
        if value is None:
            self.counts.missing_output += 1
            return None
        memory = self._devices.setdefault(prediction.device, DeviceState()).rules.setdefault(rule.name, RuleMemory())
        if not memory.take(prediction):
            self.counts.repeated += 1
            return None
        self.counts.judged += 1
        return self._alert(rule, memory, prediction, value)

    def _alert(self, rule: AlertRule, memory: RuleMemory, prediction: Prediction, value: float) -> Alert | None:
        judgement = memory.judge(prediction, value, keep=rule.of)
        time, episode = prediction.times.last_arrival, memory.episode
        crosses = rule.raises if episode is None else rule.clears
        evidence = [judged for judged in memory.judgements if not judged.spent and crosses(judged.value)]
        # The judged prediction must be part of the evidence: nothing is raised by a healthy output, at the end of a cooldown say.
        if judgement not in evidence or len(evidence) < rule.needed:
            return None
        if episode is None:
            if memory.cleared_at is not None and abs(time - memory.cleared_at) < rule.cooldown_ms:
                return None
            state, episode = AlertState.RAISED, OpenEpisode(_episode_id(rule, prediction), since=time)
            memory.episode = episode
            self.counts.raised += 1
        else:
            state, memory.episode, memory.cleared_at = AlertState.CLEARED, None, time
            self.counts.cleared += 1
        memory.spend()
        causes = tuple(judged.prediction for judged in evidence)
        return Alert(episode.id, prediction.device, rule.name, state, episode.since, time, value, causes)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeviceState)


def _episode_id(rule: AlertRule, prediction: Prediction) -> str:
    # Sequence and revision belong to it: the early predictions of one window can raise more than once.
    window = prediction.window
    parts = (rule.name, prediction.device, window.id, window.sequence, window.revision)
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).hexdigest()


def _require(holds: bool, key: str, value: object, allowed: str) -> None:
    if not holds:
        raise PolicyError(key, value, allowed)

"""What is on the topics, against one uninterrupted pass over the same readings.

Windows are those of the oracle, which shares nothing with the windower; for each that is to be scored there is one
prediction; alerts are those of a stage that nothing ever happens to, given each prediction once, in the order of the windows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from consumers.alerter import alerter
from consumers.scorer import scorer
from pipeline.brokers.protocol import Record
from pipeline.config import Settings
from pipeline.records import Alert, Prediction, Window
from pipeline.stages.protocol import Handover
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction, encode_prediction
from pipeline.wire.windows import decode_window
from tests.support.oracle import Shown, shown, windows_of

FOREVER_MS = 10**10
TOLERANCE = 1e-5

Item = TypeVar("Item", Window, Prediction, Alert)
Wanted = TypeVar("Wanted")
Identity = tuple[Hashable, ...]
Published = Mapping[str, Sequence[Record]]
"""Records without ticks, by what their topic carries."""


@dataclass(frozen=True)
class Verdict:
    """Of one topic; `differing`: what one uninterrupted pass does not make, or makes with other content."""

    what: str
    wanted: int
    duplicates: int
    lost: frozenset[Identity]
    differing: frozenset[Identity]

    @property
    def holds(self) -> bool:
        """All is there, and nothing else."""
        return not self.lost and not self.differing


@dataclass(frozen=True)
class Reference:
    """One uninterrupted pass over a log that will never get another reading, so that all closes in the end."""

    settings: Settings
    windows: Mapping[Identity, Shown]  # in the order in which the oracle publishes them
    scored: Sequence[Identity]

    @classmethod
    def of(cls, readings: Iterable[Record], settings: Settings) -> Reference:
        """The pass over these records, ticks are not needed."""
        windows = _expected_windows(readings, settings)
        return cls(settings, windows, [name for name, window in windows.items() if len(window[4]) >= settings.window.min_length])

    def is_complete(self, published: Published) -> bool:
        """Whether all is there, whatever else may be."""
        windows = {_window_identity(decode_window(record.value or b"")) for record in published["windows"]}
        predictions = {_prediction_identity(decode_prediction(record.value or b"")) for record in published["predictions"]}
        there = windows >= self.windows.keys() and predictions >= set(self.scored)
        return there and not self._alerts(published).lost

    def verdicts(self, published: Published) -> list[Verdict]:
        """Of windows, predictions and alerts."""
        return [self._windows(published), self._predictions(published), self._alerts(published)]

    def _windows(self, published: Published) -> Verdict:
        windows = [decode_window(record.value or b"") for record in published["windows"]]
        return _judge("windows", windows, _window_identity, self.windows, lambda window, wanted: shown(window) == wanted)

    def _predictions(self, published: Published) -> Verdict:
        at_once = _scored_at_once(published["windows"], self.settings)
        wanted = {identity: at_once.get(identity) for identity in self.scored}
        predictions = [decode_prediction(record.value or b"") for record in published["predictions"]]
        return _judge("predictions", predictions, _prediction_identity, wanted, _equal_predictions)

    def _alerts(self, published: Published) -> Verdict:
        wanted = _expected_alerts(published["predictions"], self.scored, self.settings)
        alerts = [decode_alert(record.value or b"") for record in published["alerts"]]
        return _judge("alerts", alerts, _alert_identity, wanted, lambda alert, other: alert == other)


def _window_identity(window: Window) -> Identity:
    return window.id, window.sequence, window.revision


def _prediction_identity(prediction: Prediction) -> Identity:
    return prediction.window.id, prediction.window.sequence, prediction.window.revision


def _alert_identity(alert: Alert) -> Identity:
    return alert.id, alert.state


def _expected_windows(readings: Iterable[Record], settings: Settings) -> dict[Identity, Shown]:
    partitions: dict[int, list[Record]] = defaultdict(list)
    for record in readings:
        partitions[record.partition].append(record)
    found: dict[Identity, Shown] = {}
    for records in partitions.values():
        last = records[-1]
        closing = msgspec.structs.replace(last, offset=last.offset + 1, timestamp=last.timestamp + FOREVER_MS, key=b"", value=None)
        for window in windows_of([*records, closing], settings.window.policy(), settings.sensors.names):
            found[window[:3]] = window
    return found


def _scored_at_once(windows: Sequence[Record], settings: Settings) -> dict[Identity, Prediction]:
    """All windows through one scorer."""
    stage = scorer(settings)
    stage.assign(Handover(0, 0))
    log = [msgspec.structs.replace(record, partition=0, offset=place) for place, record in enumerate(windows)]
    messages = [message for message in stage.step(log, 0) if message.topic == settings.topics.predictions]
    return {_prediction_identity(it): it for it in (decode_prediction(message.value or b"") for message in messages)}


def _expected_alerts(predictions: Iterable[Record], order: Iterable[Identity], settings: Settings) -> dict[Identity, Alert]:
    first: dict[Identity, Prediction] = {}
    for record in predictions:
        prediction = decode_prediction(record.value or b"")
        first.setdefault(_prediction_identity(prediction), prediction)
    stage = alerter(settings)[0]
    stage.assign(Handover(0, 0, writer="uninterrupted"))
    in_order = [first[identity] for identity in order if identity in first]
    log = [Record(stage.source, 0, place, 0, it.device.encode(), encode_prediction(it)) for place, it in enumerate(in_order)]
    alerts = [decode_alert(message.value or b"") for message in stage.step(log, 0)]
    return {_alert_identity(alert): alert for alert in alerts}


def _equal_predictions(one: Prediction, other: Prediction | None) -> bool:
    """Equal but for when and in what batch they were made; the scores agree within the tolerance."""
    if other is None or one.outputs.keys() != other.outputs.keys():
        return False
    same = (one.id, one.device, one.window, one.model, one.source) == (other.id, other.device, other.window, other.model, other.source)
    return same and all(abs(one.outputs[name] - b) <= TOLERANCE * max(1, abs(b)) for name, b in other.outputs.items())


def _judge(
    what: str,
    items: Sequence[Item],
    identity: Callable[[Item], Identity],
    wanted: Mapping[Identity, Wanted],
    equal: Callable[[Item, Wanted], bool],
) -> Verdict:
    """Windows that are there twice must be equal in all they carry, not only in what the oracle knows."""
    first: dict[Identity, Item] = {}
    differing: set[Identity] = set()
    for item in items:
        name = identity(item)
        seen = first.setdefault(name, item)
        if name not in wanted or not equal(item, wanted[name]) or (isinstance(item, Window) and item != seen):
            differing.add(name)
    return Verdict(what, len(wanted), len(items) - len(first), frozenset(wanted.keys() - first.keys()), frozenset(differing))

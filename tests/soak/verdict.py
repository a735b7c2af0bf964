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
Identity = tuple[Hashable, ...]


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


def window_identity(window: Window) -> Identity:
    return window.id, window.sequence, window.revision


def prediction_identity(prediction: Prediction) -> Identity:
    return prediction.window.id, prediction.window.sequence, prediction.window.revision


def alert_identity(alert: Alert) -> Identity:
    return alert.id, alert.state


def expected_windows(readings: Iterable[Record], settings: Settings) -> dict[Identity, Shown]:
    """Of a log that will never get another reading: all closes in the end. In the order in which the oracle publishes them."""
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


def is_scored(window: Shown, settings: Settings) -> bool:
    """Whether there is to be a prediction."""
    return len(window[4]) >= settings.window.min_length


def judge_windows(records: Iterable[Record], wanted: Mapping[Identity, Shown]) -> Verdict:
    """Duplicates must be equal to the last byte."""
    windows = [decode_window(record.value or b"") for record in records]
    return _judge("windows", windows, window_identity, wanted, _differs_from(wanted, lambda window, other: shown(window) == other))


def judge_predictions(records: Iterable[Record], windows: Iterable[Record], wanted: Sequence[Identity], settings: Settings) -> Verdict:
    """Duplicates may differ in when and in what batch they were made, and in their scores within the tolerance."""
    expected = {identity: prediction for identity, prediction in _scored_at_once(windows, settings).items() if identity in set(wanted)}
    predictions = [decode_prediction(record.value or b"") for record in records]
    return _judge("predictions", predictions, prediction_identity, wanted, _differs_from(expected, equal_predictions))


def judge_alerts(records: Iterable[Record], predictions: Iterable[Record], order: Sequence[Identity], settings: Settings) -> Verdict:
    """The predictions come once each, in the order of the windows."""
    expected = expected_alerts(predictions, order, settings)
    alerts = [decode_alert(record.value or b"") for record in records]
    return _judge("alerts", alerts, alert_identity, expected, _differs_from(expected, lambda alert, other: alert == other))


def expected_alerts(predictions: Iterable[Record], order: Sequence[Identity], settings: Settings) -> dict[Identity, Alert]:
    """What an alerter makes of the predictions without any interruption."""
    first: dict[Identity, Prediction] = {}
    for record in predictions:
        prediction = decode_prediction(record.value or b"")
        first.setdefault(prediction_identity(prediction), prediction)
    stage = alerter(settings)
    stage.assign(Handover(0, 0, writer="uninterrupted"))
    in_order = [first[identity] for identity in order if identity in first]
    log = [Record(stage.source, 0, place, 0, it.device.encode(), encode_prediction(it)) for place, it in enumerate(in_order)]
    alerts = [decode_alert(message.value or b"") for message in stage.step(log, 0)]
    return {alert_identity(alert): alert for alert in alerts}


def equal_predictions(one: Prediction, other: Prediction) -> bool:
    """Equal but for when and in what batch they were made; the scores agree within the tolerance."""
    same = (one.id, one.device, one.window, one.model, one.source) == (other.id, other.device, other.window, other.model, other.source)
    return same and all(abs(one.outputs[name] - b) <= TOLERANCE * max(1, abs(b)) for name, b in other.outputs.items())


def _scored_at_once(windows: Iterable[Record], settings: Settings) -> dict[Identity, Prediction]:
    """All windows through one scorer without any interruption."""
    stage = scorer(settings)
    stage.assign(Handover(0, 0))
    log = [msgspec.structs.replace(record, partition=0, offset=place) for place, record in enumerate(windows)]
    predictions = [decode_prediction(message.value or b"") for message in stage.step(log, 0) if message.topic == settings.topics.predictions]
    return {prediction_identity(prediction): prediction for prediction in predictions}


def _differs_from(wanted: Mapping[Identity, object], equal: Callable[[Item, object], bool]) -> Callable[[Identity, Item], bool]:
    return lambda identity, item: identity not in wanted or not equal(item, wanted[identity])


def _judge(
    what: str, items: Sequence[Item], identity: Callable[[Item], Identity], wanted: Iterable[Identity], differs: Callable[[Identity, Item], bool]
) -> Verdict:
    first: dict[Identity, Item] = {}
    differing: set[Identity] = set()
    for item in items:
        name = identity(item)
        seen = first.setdefault(name, item)
        if differs(name, item) or (isinstance(item, Window) and item != seen):
            differing.add(name)
    identities = frozenset(wanted)
    return Verdict(what, len(identities), len(items) - len(first), identities - first.keys(), frozenset(differing))

"""Two sets of predictions, window by window: what changed and by how much, what only one has, which alerts would differ. Pure.

Predictions are the same window's if id, sequence and revision are equal: the model is no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from pipeline.backtest.outcome import Outcome
from pipeline.errors import ConfigurationError
from pipeline.records import Alert, Prediction

TOLERANCE = 1e-5  # the promise of the scorer: |a - b| <= 1e-5 x max(1, |b|) is equal

Key = tuple[str, int, int]


class Side(msgspec.Struct, frozen=True):
    """One of the two sets."""

    name: str
    model: str
    predictions: int


class Change(msgspec.Struct, frozen=True):
    """One output of one window that differs. `end`: of the window, ms."""

    device: str
    window: str
    sequence: int
    revision: int
    end: int
    output: str
    a: float
    b: float


class OutputDifference(msgspec.Struct, frozen=True):
    """How one output differs, over all windows that both have; b - a."""

    name: str
    changed: int
    mean: float
    mean_absolute: float
    largest_absolute: float
    rmse: float


class AlertDifference(msgspec.Struct, frozen=True):
    """An alert that only one side has. `time`: arrival of the window that caused it, ms."""

    device: str
    rule: str
    state: str
    time: int
    side: str  # "a" or "b"


class Difference(msgspec.Struct, frozen=True):
    """All that differs. `changes` are all, the largest first; `alerts` is None where one side's alerts are not known."""

    a: Side
    b: Side
    tolerance: float
    compared: int
    changed: int  # windows
    only_a: tuple[Key, ...]
    only_b: tuple[Key, ...]
    outputs: tuple[OutputDifference, ...]
    changes: tuple[Change, ...]
    alerts: tuple[AlertDifference, ...] | None

    @property
    def is_empty(self) -> bool:
        """Nothing differs."""
        return not (self.changed or self.only_a or self.only_b or self.alerts)


def compare(a: Outcome, b: Outcome, tolerance: float = TOLERANCE) -> Difference:
    """`tolerance`: outputs are equal where |a - b| <= tolerance x max(1, |a|).

    Raises `ConfigurationError` for a side with predictions of several models, or where no output has the same name.
    """
    left, right = by_window(a), by_window(b)
    both = [key for key in left if key in right]
    names = sorted({name for key in both for name in left[key].outputs.keys() & right[key].outputs.keys()})
    if both and not names:
        raise ConfigurationError(f"{a.name} and {b.name}: have no output in common")
    changes = sorted(_changes(left, right, both, tolerance), key=lambda change: -_size(change.b - change.a))
    return Difference(
        a=_side(a, left),
        b=_side(b, right),
        tolerance=tolerance,
        compared=len(both),
        changed=len({(change.window, change.sequence, change.revision) for change in changes}),
        only_a=tuple(key for key in left if key not in right),
        only_b=tuple(key for key in right if key not in left),
        outputs=tuple(_of_output(name, *pairs_of(left, right, name), changes) for name in names),
        changes=tuple(changes),
        alerts=None if a.alerts is None or b.alerts is None else tuple(_alerts(a.alerts, b.alerts)),
    )


def by_window(outcome: Outcome) -> dict[Key, Prediction]:
    """The predictions by (window id, sequence, revision); of equal ones, which a log may hold twice, the last."""
    if len({prediction.model.sha256 for prediction in outcome.predictions}) > 1:
        models = sorted({f"{it.model.name} {it.model.version}" for it in outcome.predictions})
        raise ConfigurationError(f"{outcome.name}: has predictions of several models ({', '.join(models)}); compare one with one")
    return {(it.window.id, it.window.sequence, it.window.revision): it for it in outcome.predictions}


def pairs_of(left: Mapping[Key, Prediction], right: Mapping[Key, Prediction], output: str) -> tuple[np.ndarray, np.ndarray]:
    """The output on both sides, for the windows that both have it for."""
    pairs = [
        (it.outputs[output], right[key].outputs[output])
        for key, it in left.items()
        if key in right and output in it.outputs and output in right[key].outputs
    ]
    both = np.array(pairs, np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _size(number: float) -> float:
    return math.inf if math.isnan(number) else abs(number)


def _side(outcome: Outcome, predictions: Mapping[Key, Prediction]) -> Side:
    model = next(iter(predictions.values())).model if predictions else None
    return Side(outcome.name, f"{model.name} {model.version} ({model.engine})" if model else "none", len(predictions))


def _changes(left: Mapping[Key, Prediction], right: Mapping[Key, Prediction], both: Sequence[Key], tolerance: float) -> Iterable[Change]:
    for key in both:
        one, other = left[key], right[key]
        for name, a in one.outputs.items():
            b = other.outputs.get(name, math.nan)
            if not abs(a - b) <= tolerance * max(1.0, abs(a)):
                yield Change(one.device, *key, one.window.end, name, a, b)


def _of_output(name: str, a: np.ndarray, b: np.ndarray, changes: Sequence[Change]) -> OutputDifference:
    apart = b - a
    changed = sum(change.output == name for change in changes)
    absolute = np.abs(apart)
    return OutputDifference(
        name, changed, float(apart.mean()), float(absolute.mean()), float(absolute.max()), float(np.sqrt(np.mean(apart * apart)))
    )


def _alerts(a: Iterable[Alert], b: Iterable[Alert]) -> Iterable[AlertDifference]:
    """By device, rule, state and time: an alert's id depends on the model."""
    left, right = ({(it.device, it.rule, it.state.value, it.time) for it in alerts} for alerts in (a, b))
    for side, alerts in (("a", left - right), ("b", right - left)):
        yield from (AlertDifference(*alert, side) for alert in sorted(alerts, key=lambda alert: (alert[3], alert[:3])))

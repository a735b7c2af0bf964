"""Cases to a verdict: a plain, ordered mapping of numbers, the same for the table and for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.judging import auroc, f1_macro, false_alarm_rate, mae, missed_alarm_rate, phm_score, rmse
from pipeline.evaluation.cases import Cases
from pipeline.training.metrics import errors_by_length, forecast_errors
from pipeline.training.recipe import Task

Floats = NDArray[np.float64]

_LENGTH_GROUPS = 4


@dataclass(frozen=True)
class Judgement:
    """What is judged beside the plain errors."""

    cap: float | None = None  # quantities: greater labels also count as this
    normal: str | None = None  # classes: the output of that which is no alarm; None: the first
    threshold: float | None = None  # forecasts: greater errors are alarms
    anomalies: Mapping[tuple[str, int], bool] | None = None  # forecasts: by last step; None: not known


def judge(task: str, cases: Cases, judgement: Judgement) -> dict[str, Any]:
    """How good the predictions are; what there is depends on the task. `task`: one of `Task`."""
    match Task(task):
        case Task.REGRESSION:
            return judge_quantities(cases, judgement)
        case Task.CLASSIFICATION:
            return judge_classes(cases, judgement)
        case Task.FORECAST:
            return judge_forecasts(cases, judgement)


def judge_quantities(cases: Cases, judgement: Judgement) -> dict[str, Any]:
    """By output: errors in its unit, also with capped labels, and by the length of the window."""
    report: dict[str, Any] = {}
    for column, output in enumerate(cases.outputs):
        found, wanted = cases.found[:, column], cases.wanted[:, column]
        report[output] = _errors(found, wanted)
        if judgement.cap is not None:
            wanted = np.minimum(wanted, judgement.cap)
            report[output] |= {"cap": judgement.cap, **{f"{name}_capped": value for name, value in _errors(found, wanted).items()}}
        report[output]["by_length"] = _by_length(found - wanted, cases.lengths)
    return report


def judge_classes(cases: Cases, judgement: Judgement) -> dict[str, Any]:
    """Of all classes together; an alarm is any answer but the normal class."""
    answers, classes = cases.found.argmax(axis=1), cases.wanted.argmax(axis=1)
    normal = 0 if judgement.normal is None else cases.outputs.index(judgement.normal)
    right = answers == classes
    return {
        "accuracy": float(right.mean()),
        "f1_macro": f1_macro(answers, classes),
        "accuracy_of_most_frequent": float(np.bincount(classes).max() / len(classes)),
        "auroc": {output: auroc(cases.found[:, column], classes == column) for column, output in enumerate(cases.outputs)},
        "normal": cases.outputs[normal],
        "false_alarm_rate": false_alarm_rate(answers != normal, classes != normal),
        "missed_alarm_rate": missed_alarm_rate(answers != normal, classes != normal),
        "by_length": _by_length((~right).astype(np.float64), cases.lengths, lambda error: {"accuracy": 1 - error**2}),
    }


def judge_forecasts(cases: Cases, judgement: Judgement) -> dict[str, Any]:
    """The error of a forecast is its anomaly score: judged against labels of the steps that were forecast, where there are any."""
    errors = forecast_errors(cases.found.astype(np.float32), cases.wanted.astype(np.float32)).astype(np.float64)
    there = np.isfinite(errors)
    report: dict[str, Any] = {"rmse": float(np.sqrt(np.mean(np.square(errors[there]))))}
    if judgement.threshold is not None:
        report |= {"threshold": judgement.threshold, "share_above_threshold": float((errors[there] > judgement.threshold).mean())}
    if judgement.anomalies is not None:
        report |= _anomalies(cases, errors, there, judgement)
    report["by_length"] = _by_length(errors[there], cases.lengths[there])
    return report


def counted(cases: Cases) -> Mapping[str, int]:
    """How many windows and devices were judged, and where the other windows went."""
    return {"judged": len(cases.steps), "devices": len(cases.devices), **cases.counts._asdict()}


def measures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The measures as people read them: (name, number), a dash for what is not known; without those by length."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{name.replace('_', ' ')}: {inner}", text) for inner, text in measures(value))
        elif name != "by_length":
            yield name.replace("_", " "), shown(value)


def shown(value: float | str | None) -> str:
    """A number with four digits.

    >>> shown(0.98765), shown(12345.6), shown(None)
    ('0.9877', '12,346', '-')
    """
    if value is None or isinstance(value, str):
        return value or "-"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _errors(found: Floats, wanted: Floats) -> dict[str, float | None]:
    score = phm_score(found, wanted)
    return {"rmse": rmse(found, wanted), "mae": mae(found, wanted), "phm_score": score if np.isfinite(score) else None}


def _anomalies(cases: Cases, errors: Floats, there: NDArray[np.bool_], judgement: Judgement) -> dict[str, Any]:
    known = judgement.anomalies or {}
    rows = [row for row, step in enumerate(cases.steps) if there[row] and step in known]
    ill = np.array([known[cases.steps[row]] for row in rows], np.bool_)
    report: dict[str, Any] = {"labelled": len(rows), "anomalies": int(ill.sum()), "auroc": auroc(errors[rows], ill)}
    if judgement.threshold is not None:
        alarms = errors[rows] > judgement.threshold
        report |= {"false_alarm_rate": false_alarm_rate(alarms, ill), "missed_alarm_rate": missed_alarm_rate(alarms, ill)}
    return report


def _by_length(
    errors: Floats, lengths: NDArray[np.int64], shown_as: Callable[[float], dict[str, float]] = lambda error: {"rmse": error}
) -> list[dict[str, float]]:
    """Of groups of about equally many windows of like length: their lengths, how many they are, and their root mean square error."""
    groups = errors_by_length(errors.astype(np.float32), lengths, _LENGTH_GROUPS)
    return [{"from": shortest, "to": longest, "windows": windows} | shown_as(error) for shortest, longest, windows, error in groups]

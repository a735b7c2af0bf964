"""A bundle on a recording, by the real pipeline: replay, windows and scores in memory, then the verdict."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pipeline.backtest.run import run_stages_on, with_bundle
from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.evaluation.cases import Cases, Gathered
from pipeline.evaluation.judge import Judgement, counted, judge
from pipeline.evaluation.truth import Truth, classes_of
from pipeline.records import Reading
from pipeline.scoring.bundle import Bundle
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import decode_window


class Which(StrEnum):
    """Which windows are judged."""

    ALL = "all"
    LAST = "last"  # of each device only the latest


@dataclass(frozen=True)
class Options:
    """How to judge."""

    which: Which = Which.ALL
    cap: float | None = None  # None: that of the bundle's recipe, if there is one
    normal: str | None = None  # a class, or its output; None: the first
    any_windows: bool = False  # although the model was made for other windows


@dataclass(frozen=True)
class Verdict:
    """What came out."""

    cases: Cases
    judgement: Judgement
    numbers: dict[str, Any]  # as JSON has them


def evaluate(
    settings: Settings,
    readings: Iterable[Reading],
    bundle: Bundle,
    truth: Truth,
    options: Options,
    stop: threading.Event | None = None,
) -> Verdict:
    """What the configured windows and this model make of readings in replay order, against the truth.

    Memory: about a kilobyte for each window, whatever its length. Raises `ModelRefused`, and `ConfigurationError` where no prediction
    has a label.
    """
    contract = bundle.contract
    outputs = tuple(output.name for output in contract.outputs)
    judgement = Judgement(_cap(bundle, options), _normal(outputs, options.normal), _threshold(bundle), truth.anomalies)
    without_alerts = settings.model_copy(update={"alerts": ()})
    gathered = Gathered()
    sinks = {
        settings.topics.windows: lambda data: gathered.add_window(decode_window(data)),
        settings.topics.predictions: lambda data: gathered.add_prediction(decode_prediction(data)),
    }
    run_stages_on(with_bundle(without_alerts, bundle.folder), readings, sinks, options.any_windows, stop)
    cases = gathered.match(truth.table, outputs)
    if options.which is Which.LAST:
        cases = cases.last_of_each_device()
    numbers = {
        "model": f"{contract.name} {contract.version}",
        "task": contract.task,
        "which": str(options.which),
        "counts": counted(cases),
        "metrics": judge(contract.task, cases, judgement),
    }
    return Verdict(cases, judgement, numbers)


def _cap(bundle: Bundle, options: Options) -> float | None:
    trained: float | None = bundle.contract.metrics.get("recipe", {}).get("cap")
    return trained if options.cap is None else options.cap


def _threshold(bundle: Bundle) -> float | None:
    threshold: float | None = bundle.contract.metrics.get("held_out", {}).get("threshold")
    return threshold


def _normal(outputs: tuple[str, ...], normal: str | None) -> str | None:
    if normal is None or normal in outputs:
        return normal
    classes = classes_of(outputs)
    if normal not in classes:
        raise ConfigurationError(f"--normal {normal}: the model's classes are {', '.join(classes)}")
    return classes[normal]

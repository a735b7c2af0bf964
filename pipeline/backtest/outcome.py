"""What came out of a pipeline, in files: predictions and alerts as lines of JSON, as `sensorline tail` prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.atomic import atomic_file
from pipeline.recordings.recorded import recorded_topics, the_topic
from pipeline.records import Alert, Prediction
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction

PREDICTIONS = "predictions.jsonl"
ALERTS = "alerts.jsonl"

Item = TypeVar("Item")


@dataclass(frozen=True)
class Outcome:
    """Predictions, and the alerts that they raised; None where those are not known."""

    name: str
    predictions: Sequence[Prediction]
    alerts: Sequence[Alert] | None


def save_outcome(outcome: Outcome, folder: Path) -> None:
    """Writes `predictions.jsonl` and `alerts.jsonl` to the folder, each whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SensorlineError(f"{folder}: cannot be made a folder: {error.strerror or error}") from error
    _write(folder / PREDICTIONS, outcome.predictions)
    if outcome.alerts is not None:
        _write(folder / ALERTS, outcome.alerts)


def load_outcome(source: Path) -> Outcome:
    """The outcome in a folder of a backtest, a file of predictions, or a folder of `sensorline record`.

    Raises `ConfigurationError` for anything else.
    """
    if source.is_file():
        return Outcome(str(source), list(_lines(source, decode_prediction)), None)
    if (source / PREDICTIONS).is_file():
        alerts = source / ALERTS
        known = list(_lines(alerts, decode_alert)) if alerts.is_file() else None
        return Outcome(str(source), list(_lines(source / PREDICTIONS, decode_prediction)), known)
    kinds = {topic.kind for topic in recorded_topics(source)}
    if "predictions" not in kinds:
        raise ConfigurationError(
            f"{source}: holds no predictions; give a folder of `sensorline backtest` or `sensorline record predictions`, or a file of"
            " `sensorline tail predictions`"
        )
    recorded = list(the_topic(source, "alerts").items(Alert)) if "alerts" in kinds else None
    return Outcome(str(source), list(the_topic(source, "predictions").items(Prediction)), recorded)


def _write(path: Path, items: Iterable[Prediction | Alert]) -> None:
    encoder = msgspec.json.Encoder()
    with atomic_file(path) as file:
        file.writelines(encoder.encode(item) + b"\n" for item in items)


def _lines(path: Path, decode: Callable[[bytes], Item]) -> Iterator[Item]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _decoded(line, decode, f"{path}, line {number}")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error


def _decoded(line: bytes, decode: Callable[[bytes], Item], place: str) -> Item:
    try:
        return decode(line)
    except ValueError as error:
        raise ConfigurationError(f"{place}: {error}") from None

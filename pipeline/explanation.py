"""From a prediction back to its readings, by what is in the log: alerts, prediction, window, steps, readings.

Where retention has removed a part, that part is missing and a sentence says so. Reads the log, commits nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from pipeline.brokers.protocol import Broker, Record
from pipeline.brokers.reading import read_between, read_now
from pipeline.errors import SensorlineError
from pipeline.records import Alert, Prediction, Rejection, Window
from pipeline.wire.alerts import decode_alert
from pipeline.wire.headers import parse_arrival
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window, window_rows, window_times

Found = TypeVar("Found")


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reading that made a step, or a part of one."""

    partition: int
    offset: int
    arrival: int
    values: dict[str, float]
    index: int | None = None  # place in a batch of readings, from 0


class ExplainedStep(msgspec.Struct, frozen=True):
    """A step of the window: event time, milliseconds since the step before, and the readings it was made of."""

    time: int
    since_previous: int | None
    values: dict[str, float | None]
    readings: tuple[Origin, ...]


class ExplainedWindow(msgspec.Struct, frozen=True):
    """What the prediction does not say of its window."""

    spec: str
    position: int  # number of its first step in the device's episode, from 1
    episode_start: int
    merged: int
    carried: int
    padding: int  # steps that were added for the model
    unobserved: int  # values that no reading gave
    steps: tuple[ExplainedStep, ...]


class Explanation(msgspec.Struct, frozen=True):
    """The whole chain of one prediction."""

    prediction: Prediction
    alerts: tuple[Alert, ...]
    window: ExplainedWindow | None
    missing: tuple[str, ...]  # sentences about what is not in the log any more


def explain(broker: Broker, topics: Mapping[str, str], decoder: ReadingDecoder, prediction_id: str) -> Explanation:
    """The chain of a prediction; `topics` are the names by kind. Raises `SensorlineError` where the prediction is not in the log."""
    prediction = _first(_all(broker, topics["predictions"], (prediction_id,), decode_prediction, lambda it: it.id == prediction_id))
    if prediction is None:
        raise SensorlineError(
            f"prediction {prediction_id} is not on topic {topics['predictions']}: it was never made, or retention has removed it"
        )
    about = prediction.window
    named = (prediction_id, about.id)
    alerts = _distinct(_all(broker, topics["alerts"], named, decode_alert, lambda it: set(named) & {*it.predictions, *it.windows}))
    key = (about.id, about.sequence, about.revision)
    window = _first(_all(broker, topics["windows"], (about.id,), decode_window, lambda it: (it.id, it.sequence, it.revision) == key))
    if window is None:
        gone = f"Window {about.id} is not on topic {topics['windows']} any more: retention has removed it, and with it its steps."
        return Explanation(prediction, alerts, None, (gone,))
    origins = _origins(broker, window, decoder)
    missing = tuple(_gone(broker, window, origins))
    return Explanation(prediction, alerts, _explained(window, prediction, origins), missing)


Origins = Mapping[int, list[Origin]]  # by event time


def _origins(broker: Broker, window: Window, decoder: ReadingDecoder) -> Origins:
    """The device's readings in the window's span of the log whose event time is that of a step."""
    source, key = window.source, window.device.encode()
    found: dict[int, list[Origin]] = {time: [] for time in window_times(window)}
    for record in read_between(broker, source.topic, source.partition, source.first_offset, source.last_offset + 1):
        if record.key != key:
            continue
        for index, time, values in _readings(record, decoder):
            if time in found:
                arrival = parse_arrival(record)[0]
                found[time].append(Origin(record.partition, record.offset, arrival, values, index))
    return found


def _readings(record: Record, decoder: ReadingDecoder) -> Iterator[tuple[int | None, int, dict[str, float]]]:
    decoded = decoder.decode(record.key, record.value)
    if isinstance(decoded, Rejection):
        return
    for index, row in enumerate(decoded.rows):
        if not isinstance(row, Rejection):
            yield index if decoded.batch else None, row[0], decoder.values(row[1])


def _explained(window: Window, prediction: Prediction, origins: Origins) -> ExplainedWindow:
    times, rows = window_times(window), window_rows(window)
    steps = tuple(
        ExplainedStep(time, time - times[place - 1] if place else None, dict(zip(window.sensors, row, strict=True)), tuple(origins[time]))
        for place, (time, row) in enumerate(zip(times, rows, strict=True))
    )
    unobserved = sum(value is None for row in rows for value in row)
    padding = max(0, prediction.padded_to - window.length)
    facts = (window.spec, window.position, window.episode_start, window.merged, window.carried)
    return ExplainedWindow(*facts, padding, unobserved, steps)


def _gone(broker: Broker, window: Window, origins: Origins) -> Iterator[str]:
    source = window.source
    start = broker.start_offsets(source.topic).get(source.partition, 0)
    place = f"topic {source.topic}, partition {source.partition}"
    if start > source.first_offset:
        yield f"Readings before offset {start} of {place} are not in the log any more: retention has removed them."
    without = sum(not readings for readings in origins.values())
    if without and start <= source.first_offset:
        span = f"offsets {source.first_offset} to {source.last_offset}"
        carried = f"; {window.carried} were carried over from the window before" if window.carried else ""
        yield f"{without} steps have no reading in {place}, {span}{carried}."


def _all(
    broker: Broker, topic: str, texts: tuple[str, ...], decode: Callable[[bytes], Found], wanted: Callable[[Found], object]
) -> Iterator[Found]:
    """What is wanted of a topic, in the order of the log. Only records with one of `texts` in their bytes are decoded."""
    for record in read_now(broker, topic, broker.end_offsets(topic)):
        if record.value is None or not any(text.encode() in record.value for text in texts):
            continue
        try:
            found = decode(record.value)
        except ValueError:
            continue
        if wanted(found):
            yield found


def _first(found: Iterator[Found]) -> Found | None:
    return next(found, None)


def _distinct(alerts: Iterator[Alert]) -> tuple[Alert, ...]:
    """An alert that was published twice is one."""
    return tuple({(alert.id, alert.state): alert for alert in alerts}.values())

"""Readings, windows and predictions as pandas data frames, from a topic or a recording, and a data frame replayed to a topic.

For notebooks and tests: everything is in memory. Times are UTC timestamps with milliseconds. docs/frames.md shows its use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pipeline.brokers.protocol import Broker, Record
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.recordings.ordering import in_replay_order, sorted_by_arrival
from pipeline.recordings.parquet import read_frame
from pipeline.recordings.recorded import the_topic
from pipeline.recordings.rows import ReadingRows
from pipeline.records import Prediction, Rejection, Window
from pipeline.wire.headers import is_tick, parse_arrival
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay

Item = TypeVar("Item", Window, Prediction)


@dataclass(frozen=True)
class Topics:
    """The topics of a configuration on a broker; what is on them now is read."""

    broker: Broker
    settings: Settings

    def records(self, kind: str) -> Iterator[Record]:
        """The records of a topic by kind ("readings", "windows", ...), without ticks."""
        topic = self.settings.topics.names()[kind]
        return (record for record in read_now(self.broker, topic, self.broker.end_offsets(topic).keys()) if not is_tick(record))


Source = Topics | Path


def readings(source: Source) -> pd.DataFrame:
    """A row for each reading, in replay order: device, time, arrival, and a column for each sensor, NaN = unobserved.

    Of a topic without what cannot be decoded, and with the codes of sensors as their texts.
    """
    if isinstance(source, Path):
        rows = [{"device": it.device, "time": it.time, "arrival": it.arrival, **it.values} for it in in_replay_order(source).readings]
        frame = pd.DataFrame(rows)
    else:
        frame = _decoded(source).drop(columns="_offset").sort_values("arrival", kind="stable", ignore_index=True)
    return _with_times(frame, "time", "arrival")


def windows(source: Source) -> pd.DataFrame:
    """A row for each window: its fields, `length`, and the arrays `times` (length) and `values` (length x sensors, NaN = unobserved)."""
    rows = []
    for window in _items(source, "windows", Window, decode_window):
        row = {name: getattr(window, name) for name in window.__struct_fields__ if name not in ("source", "times", "values", "sensors")}
        row["length"] = window.length
        row["times"] = np.frombuffer(window.times, "<i8").astype("datetime64[ms]")
        row["values"] = np.frombuffer(window.values, "<f4").reshape(window.length, len(window.sensors))
        rows.append(
            {**row, "sensors": window.sensors, "first_arrival": window.source.first_arrival, "last_arrival": window.source.last_arrival}
        )
    return _with_times(pd.DataFrame(rows), "start", "end", "episode_start", "first_arrival", "last_arrival")


def steps(source: Source) -> pd.DataFrame:
    """A row for each step of each window: window (id), sequence, revision, device, time, and a column for each sensor."""
    pieces = []
    for window in _items(source, "windows", Window, decode_window):
        values = np.frombuffer(window.values, "<f4").reshape(window.length, len(window.sensors))
        piece = pd.DataFrame(values, columns=list(window.sensors))
        piece.insert(0, "time", np.frombuffer(window.times, "<i8"))
        identity: dict[str, Any] = {"window": window.id, "sequence": window.sequence, "revision": window.revision, "device": window.device}
        pieces.append(piece.assign(**identity)[[*identity, *piece.columns]])
    return _with_times(pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame(), "time")


def predictions(source: Source) -> pd.DataFrame:
    """A row for each prediction: id, device, what is known of its window (`window`, start, end, length, ...), its outputs by name."""
    rows = []
    for it in _items(source, "predictions", Prediction, decode_prediction):
        about = {name: getattr(it.window, name) for name in it.window.__struct_fields__ if name != "id"}
        model = f"{it.model.name} {it.model.version}"
        rows.append({"id": it.id, "device": it.device, "window": it.window.id, **about, "model": model, **it.outputs})
    return _with_times(pd.DataFrame(rows), "start", "end")


def replay_frame(frame: pd.DataFrame, topics: Topics, *, speed: float | None = None, close: bool = True, force: bool = False) -> int:
    """Replays a data frame to the readings topic; returns the number of readings.

    Columns: device, time, optional arrival (timestamps, without a zone UTC, or milliseconds), and sensors; NaN = unobserved.
    `speed`: 1 is the frame's own pace, None as fast as the log takes it. Raises `ConfigurationError` that names column, row and
    value, as for a Parquet file of the frame, before anything is published; else as `producers.replay.replay`.
    """
    given = list(read_frame(frame))  # all of it, before anything is published
    ordered = sorted_by_arrival(given) if "arrival" in frame else given
    policy = ReplayPolicy(topics.settings.window.idle_timeout_ms, speed, close, force)
    pacer = Pacer(SystemClock(), threading.Event())
    return replay(topics.broker, topics.settings.topics.readings, ordered, policy, pacer).readings


def _with_times(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    for column in columns:
        if column in frame:
            frame[column] = pd.to_datetime(frame[column], unit="ms", utc=True)
    return frame


def _items(source: Source, kind: str, item: type[Item], decode: Callable[[bytes], Item]) -> Iterable[Item]:
    if isinstance(source, Path):
        return the_topic(source, kind).items(item)
    return (decode(record.value or b"") for record in source.records(kind))


def _decoded(source: Topics) -> Any:
    """The readings of the topic as a recorder takes them."""
    sensors = source.settings.sensors
    decoder = ReadingDecoder(sensors.names, sensors.codes)
    rows = ReadingRows(sensors.names, sensors.codes)
    for record in source.records("readings"):
        decoded = decoder.decode(record.key, record.value)
        if isinstance(decoded, Rejection):
            continue
        for row in decoded.rows:
            if not isinstance(row, Rejection):
                rows.add(decoded.device, row, parse_arrival(record)[0], record.offset)
    return rows.table().to_pandas()

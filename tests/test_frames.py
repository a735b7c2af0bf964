"""A data frame is replayed as its Parquet file would be: what no reading can be made of is refused, nothing is guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.clock import ManualClock
from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.frames import Topics, readings, replay_frame

TIMES = [1_767_225_600_000, 1_767_225_601_500]
MOMENTS = pd.to_datetime(TIMES, unit="ms", utc=True)


@pytest.fixture
def topics() -> Topics:
    settings = Settings.model_validate({"sensors": {"names": ("x", "mode"), "codes": {"mode": ("off", "on")}}})
    broker = MemoryBroker(MemoryLog(ManualClock()))
    for topic in settings.own_topics():
        broker.create_topic(topic)
    return Topics(broker, settings)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"device": ["a", "b"], "time": TIMES, "x": [1.0, 2.0]} | columns)


@pytest.mark.parametrize(
    "time",
    [
        pd.Series(TIMES, dtype="Int64"),
        pd.Series(TIMES, dtype=object),
        MOMENTS,
        MOMENTS.tz_convert("Asia/Tokyo"),
        MOMENTS.tz_localize(None),
        MOMENTS.tz_localize(None).astype("datetime64[us]"),
        ["2026-01-01T00:00:00", "2026-01-01T01:00:01.5+01:00"],
    ],
    ids=["nullable", "objects", "UTC", "another zone", "no zone", "microseconds", "texts"],
)
def test_times_are_the_same_in_whatever_form(topics: Topics, time: Any) -> None:
    replay_frame(frame(time=time), topics)
    assert sorted(readings(topics)["time"]) == list(MOMENTS)


def test_values_and_devices_may_be_of_any_type_that_pandas_has_for_them(topics: Topics) -> None:
    given = frame(device=pd.Categorical(["a", "b"]), x=pd.Series([7, None], dtype="Int64"), mode=pd.Categorical(["on", None]))
    replay_frame(given.set_index(pd.Index(["first", "second"])), topics)
    found = readings(topics)
    assert found[["device", "x", "mode"]].to_numpy().tolist() == [["a", 7, "on"]], "a reading without any value is none"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"time": np.array(TIMES, float)}, "column time: is of type double"),
        ({"time": pd.DatetimeIndex(["2026-01-01", pd.NaT])}, "row 2, column time: None is not allowed"),
        ({"device": ["a", None]}, "row 2, column device: None is not allowed"),
        ({"device": [1.5, 2.5]}, "column device: is of type double"),
        ({"x": [np.inf, 1.0]}, "row 1, column x: inf is not allowed"),
        ({"x": [1.0, "high"]}, "column x"),
        ({"arrival": pd.DatetimeIndex(["2026-01-01", pd.NaT])}, "reading"),
    ],
)
def test_what_cannot_be_a_reading_is_refused_before_anything_is_published(topics: Topics, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        replay_frame(frame(**wrong), topics)
    assert not any(topics.broker.end_offsets(topics.settings.topics.readings).values())

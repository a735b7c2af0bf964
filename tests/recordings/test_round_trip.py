"""A recording written and read again is the same recording, in every format."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.files import EXTENSIONS, read_recording, write_recording
from pipeline.recordings.labels import Label, read_labels, write_labels
from pipeline.records import Reading
from pipeline.wire.times import MAX_TIME

SENSORS = ("temperature", "a, b", "mode")
TEXT = ("mode",)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
times = st.integers(-MAX_TIME, MAX_TIME)
values = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(allow_nan=False, allow_infinity=False),
        "a, b": st.floats(allow_nan=False, allow_infinity=False),
        "mode": texts,
    },
)


@st.composite
def recordings(draw: st.DrawFn) -> list[Reading]:
    arrivals = st.integers(0, MAX_TIME) if draw(st.booleans()) else st.none()
    return draw(st.lists(st.builds(Reading, device=texts, time=times, values=values, arrival=arrivals), max_size=20))


@pytest.mark.parametrize("extension", EXTENSIONS)
@given(recording=recordings())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(extension: str, recording: list[Reading]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"recording{extension}")
        assert write_recording(path, recording, SENSORS, TEXT) == len(recording)
        assert list(read_recording(path, TEXT)) == recording


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_null_and_nan_are_read_as_unobserved(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"recording{extension}"
    write_recording(path, [Reading("pump-7", 1, {"temperature": float("nan"), "vibration": None})], ("temperature", "vibration"))
    assert list(read_recording(path)) == [Reading("pump-7", 1, {})]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_recording_longer_than_one_piece_keeps_its_order(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"recording{extension}"
    write_recording(path, (Reading("pump-7", time, {"temperature": time / 8}) for time in range(70_000)), ("temperature",))
    assert [reading.time for reading in read_recording(path)] == list(range(70_000))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_labels_are_read_as_they_were_written(extension: str, tmp_path: Path) -> None:
    labels = [Label("pump-7", 1, {"rul": 83.5, "wear": 0.25}), Label("pump-7", 2, {"rul": 82.5})]
    path = tmp_path / f"labels{extension}"
    assert write_labels(path, labels, ("rul", "wear")) == 2
    assert list(read_labels(path)) == labels


def test_a_label_that_is_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"device":"pump-7","time":1,"values":{"rul":"soon"}}\n')
    with pytest.raises(ConfigurationError, match="label 1, column rul: 'soon'"):
        list(read_labels(path))


@pytest.mark.parametrize(
    ("reading", "complaint"),
    [
        (Reading("pump-7", 2, {"pressure": 1.0}, 2), "sensor pressure is not one of"),
        (Reading("pump-7", 2, {"temperature": "hot"}, 2), "sensor temperature cannot be 'hot'"),
        (Reading("pump-7", 2, {"temperature": float("inf")}, 2), "sensor temperature cannot be inf"),
        (Reading("pump-7", 2, {"mode": 1.0}, 2), "sensor mode cannot be 1.0"),
        (Reading("pump-7", 2, {"temperature": 1.0}), "give all readings an arrival, or none"),
    ],
)
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_reading_that_does_not_fit_leaves_no_file(extension: str, reading: Reading, complaint: str, tmp_path: Path) -> None:
    good = Reading("pump-7", 1, {"temperature": 1.0}, 1)
    with pytest.raises(SensorlineError, match=complaint):
        write_recording(tmp_path / f"recording{extension}", [good, reading], ("temperature", "mode"), ("mode",))
    assert list(tmp_path.iterdir()) == []


def test_a_sensor_may_not_have_the_name_of_a_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="sensor arrival"):
        write_recording(tmp_path / "recording.csv", [], ("arrival",))

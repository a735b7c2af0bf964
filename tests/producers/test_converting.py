"""Other people's files: small ones of the test's own making with each peculiarity, and the real ones where they are."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording
from pipeline.recordings.labels import Label, read_labels
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading
from pipeline.wire.readings import ReadingDecoder
from producers import room_climate, ulb
from producers.room_climate import convert_room_climate
from producers.ulb import convert_ulb
from tests.support.needs import unavailable

VALUES = {"internal_temperature": 21.21, "voltage": 2.81, "humidity": 51.53, "temperature": 22.08, "par": 20.0, "tsr": 28.0}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Data sets that are no part of the project."""
    folder = Path(os.environ.get("SENSORLINE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (folder / "room_climate").is_dir():
        unavailable(f"no data sets in {folder}: set SENSORLINE_DATA to their folder")
    return folder


def write_run(folder: Path, location: str, number: int, *lines: str) -> None:
    place = folder / f"datasets-location_{location}"
    place.mkdir(parents=True, exist_ok=True)
    with gzip.open(place / f"room_climate-location_{location}-measurement{number:02d}.csv.gz", "wt") as file:
        file.writelines(f"{line}\n" for line in lines)


def climate(time: int, light: float) -> dict[str, float | str | None]:
    return {"temperature": 21.5, "humidity": 43.0, "light_1": light, "light_2": 556.6}


def test_runs_of_two_locations_at_the_same_time_are_merged_by_arrival(tmp_path: Path) -> None:
    write_run(tmp_path, "A", 1, "1, 1000, 0, 2, 21.5, 43, 1, 556.6, 0, 0, 0, 0", "", "2, 3000, 2, 2, 21.5, 43, 2, 556.6, 1, 3, 1, 0")
    write_run(tmp_path, "B", 1, "1, 2000, 0, 2, 21.5, 43, 3, 556.6, 2, 4, 0, 1", "2, 1900, 0, 1, 21.5, 43, 4, 556.6, 2, 4, 0, 1")
    done = convert_room_climate(tmp_path, tmp_path / "out")
    assert (done.readings, done.runs, done.devices) == (4, 2, 3)
    assert list(read_recording(done.recording)) == [
        Reading("A-2", 1000, climate(1000, 1), 1000),
        Reading("B-2", 2000, climate(2000, 3), 2000),
        Reading("B-1", 1900, climate(1900, 4), 2000),
        Reading("A-2", 3000, climate(3000, 2), 3000),
    ]
    assert list(read_labels(done.labels))[3] == Label("A-2", 3000, {"occupants": 1, "activity": 3, "door": 1, "window": 0})


@pytest.mark.parametrize(
    ("line", "complaint"),
    [("1, 2, 3", "line 1: 3 cells; allowed are 12"), ("1, x, 0, 2, 21.5, 43, 1, 5, 0, 0, 0, 0", "line 1: .*'x'.*; allowed are numbers")],
)
def test_a_climate_line_of_another_form_is_named(line: str, complaint: str, tmp_path: Path) -> None:
    write_run(tmp_path, "A", 1, line)
    with pytest.raises(ConfigurationError, match=complaint):
        convert_room_climate(tmp_path, tmp_path / "out")


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give the data set's folder"):
        convert_room_climate(tmp_path, tmp_path / "out")


def write_library2(folder: Path, text: bytes) -> Path:
    file = folder / ulb.LIBRARIES["library2"][0]
    file.parent.mkdir(parents=True)
    file.write_bytes(text)
    return folder


def test_decimal_commas_and_a_number_in_two_parts_are_read(tmp_path: Path) -> None:
    first = b"1163438041250 20 999 21,21 2,81 51,53 22,08 20 28\n\n"
    write_library2(tmp_path, first + b"1163438041240 20 1\xa0 000 21,21 2,81 51,53 22,08 20 28\n")
    done = convert_ulb(tmp_path, "library2", tmp_path / "out")
    assert (done.readings, done.devices) == (2, 1)
    assert list(read_recording(done.recording)) == [
        Reading("library2-20", time, {**VALUES, "sequence": sequence}, time)
        for time, sequence in ((1163438041240, 1000.0), (1163438041250, 999.0))
    ]


@pytest.mark.parametrize(
    ("text", "complaint"), [(b"1 2 3\n", "line 1: 3 cells"), (b"x 20 1 21,21 2,81 51,53 22,08 20 28\n", "line 1: .*decimal commas")]
)
def test_a_packet_of_another_form_is_named(text: bytes, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        convert_ulb(write_library2(tmp_path, text), "library2", tmp_path / "out")


def test_a_library_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="library3: allowed are library1, library2"):
        convert_ulb(tmp_path, "library3", tmp_path / "out")


def account(recording: Path, sensors: tuple[str, ...], gap: str) -> tuple[Counter[str], int, int]:
    """(counts, steps in windows, windows) of a recording cut into sessions."""
    window = {"gap": gap, "out_of_orderness": "10s", "idle_timeout": "15m", "max_length": 256}
    policy = Settings.model_validate({"sensors": {"names": sensors}, "window": window}).window.policy()
    counts: Counter[str] = Counter()
    steps = windows = 0
    for made in windows_of(in_replay_order(recording).readings, policy, ReadingDecoder(sensors), counts):
        steps += made.length - made.carried
        windows += 1
    return counts, steps, windows


def assert_all_accounted_for(counts: Counter[str], steps: int, readings: int) -> None:
    rejected = sum(count for name, count in counts.items() if name.startswith("rejected_"))
    assert counts["received"] == readings == rejected + counts["merged"] + counts["dropped"] + steps


def test_no_reading_of_the_room_climate_is_unaccounted_for(data_folder: Path, tmp_path: Path) -> None:
    done = convert_room_climate(data_folder / "room_climate" / "datasets-location_C", tmp_path)
    assert (done.readings, done.runs, done.devices) == (121_426, 40, 5)
    counts, steps, windows = account(done.recording, room_climate.SENSORS, "15s")
    assert_all_accounted_for(counts, steps, done.readings)
    assert windows > 300


@pytest.mark.parametrize(("library", "readings"), [("library1", 29_702), ("library2", 7_114)])
def test_no_packet_of_the_wireless_nodes_is_unaccounted_for(library: str, readings: int, data_folder: Path, tmp_path: Path) -> None:
    done = convert_ulb(data_folder / "ulb_wsn", library, tmp_path)
    counts, steps, windows = account(done.recording, ulb.SENSORS, "150s")
    assert_all_accounted_for(counts, steps, readings)
    assert windows > 50

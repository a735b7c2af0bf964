"""C-MAPSS files to a recording and labels; most of it on a tiny table in the same format."""

from __future__ import annotations

import gzip
from itertools import groupby
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording
from pipeline.recordings.labels import Label, read_labels
from pipeline.recordings.ordering import in_replay_order
from producers.cmapss import CYCLE_MS, EPOCH_MS, SENSORS, Split, convert_cmapss

ENGINES = {1: 3, 2: 1}  # last cycle of each unit


def line(unit: int, cycle: int) -> str:
    return " ".join([str(unit), str(cycle), *(f"{unit + cycle / 10 + number:.2f}" for number in range(24))]) + "  \n"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    folder.mkdir()
    table = "".join(line(unit, cycle) for unit, last in ENGINES.items() for cycle in range(1, last + 1))
    (folder / "train_FD001.txt").write_text(table)
    (folder / "test_FD001.txt.gz").write_bytes(gzip.compress(table.encode()))
    (folder / "RUL_FD001.txt").write_text("112 \n98 \n")
    return folder


def hour(cycle: int) -> int:
    return EPOCH_MS + (cycle - 1) * CYCLE_MS


def test_a_cycle_is_an_hour_and_rows_are_in_order_of_time_and_device(tiny: Path, tmp_path: Path) -> None:
    done = convert_cmapss(tiny, "FD001", Split.TRAIN, tmp_path / "new" / "out")
    readings = list(read_recording(done.recording))
    assert (done.readings, done.engines) == (4, 2)
    assert [(reading.device, reading.time, reading.arrival) for reading in readings] == [
        ("FD001-train-001", hour(1), None),
        ("FD001-train-002", hour(1), None),
        ("FD001-train-001", hour(2), None),
        ("FD001-train-001", hour(3), None),
    ]


def test_the_sensors_are_three_settings_and_twenty_one_sensors(tiny: Path, tmp_path: Path) -> None:
    readings = list(read_recording(convert_cmapss(tiny, "FD001", Split.TRAIN, tmp_path).recording))
    assert tuple(readings[0].values) == SENSORS
    assert (SENSORS[0], SENSORS[3], SENSORS[-1]) == ("setting_1", "sensor_1", "sensor_21")
    assert readings[0].values["setting_1"] == 1.1
    assert readings[0].values["sensor_21"] == 24.1


@pytest.mark.parametrize(("split", "expected"), [(Split.TRAIN, [2, 0, 1, 0]), (Split.TEST, [114, 98, 113, 112])])
def test_labels_are_the_cycles_to_the_failure(split: Split, expected: list[float], tiny: Path, tmp_path: Path) -> None:
    labels = list(read_labels(convert_cmapss(tiny, "FD001", split, tmp_path).labels))
    assert [label.outputs["rul"] for label in labels] == expected
    assert labels[0] == Label(f"FD001-{split}-001", hour(1), {"rul": expected[0]})


def test_what_is_not_there_or_not_of_the_format_is_explained(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="subset FD009: allowed are FD001, FD002"):
        convert_cmapss(tiny, "FD009", Split.TRAIN, tmp_path)
    with pytest.raises(ConfigurationError, match=r"train_FD002\.txt: no such file, nor with \.gz"):
        convert_cmapss(tiny, "FD002", Split.TRAIN, tmp_path)
    (tiny / "RUL_FD001.txt").write_text("112\n")
    with pytest.raises(ConfigurationError, match="1 lines for 2 engines"):
        convert_cmapss(tiny, "FD001", Split.TEST, tmp_path)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("1 2 3\n", "line 2: 3 numbers; allowed are 26"),
        (line(1, 2).replace("5.20", "warm"), "line 2: could not convert string to float: 'warm'"),
        (line(1, 3), "line 2: cycle 3 of unit 1; allowed is 2"),
    ],
)
def test_a_bad_line_is_named(bad: str, complaint: str, tiny: Path, tmp_path: Path) -> None:
    (tiny / "train_FD001.txt").write_text(line(1, 1) + bad)
    with pytest.raises(ConfigurationError, match=complaint):
        convert_cmapss(tiny, "FD001", Split.TRAIN, tmp_path / "out")


@pytest.mark.parametrize(("split", "engines", "rows"), [(Split.TRAIN, 100, 20_631), (Split.TEST, 100, 13_096)])
def test_the_real_files_are_converted(split: Split, engines: int, rows: int, cmapss_folder: Path, tmp_path: Path) -> None:
    done = convert_cmapss(cmapss_folder, "FD001", split, tmp_path)
    assert (done.engines, done.readings) == (engines, rows)
    labels = sorted(read_labels(done.labels), key=lambda label: (label.device, label.time))
    last = [list(series)[-1].outputs["rul"] for _, series in groupby(labels, key=lambda label: label.device)]
    assert last[:3] == ([0, 0, 0] if split is Split.TRAIN else [112, 98, 69])
    assert in_replay_order(done.recording).total == rows

"""Replay order: by arrival and stable; without arrivals as in the file, the arrival being the running maximum of event time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.replay_order import arrivals
from pipeline.errors import ConfigurationError
from pipeline.recordings.files import EXTENSIONS, write_recording
from pipeline.recordings.ordering import in_replay_order, sorted_by_arrival
from pipeline.records import Reading


def numbered(arrival_times: Sequence[int | None]) -> list[Reading]:
    """Readings whose event time is their place in the file."""
    return [Reading("pump-7", place, {"t": 1.0}, arrival) for place, arrival in enumerate(arrival_times)]


@given(arrival_times=st.lists(st.integers(0, 9), max_size=60), run_length=st.integers(1, 20), max_runs=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_sorting_is_stable_however_many_runs_it_takes(arrival_times: list[int], run_length: int, max_runs: int) -> None:
    readings = numbered(arrival_times)
    expected = sorted(readings, key=lambda reading: (reading.arrival, reading.time))
    assert list(sorted_by_arrival(readings, run_length, max_runs)) == expected


@given(times=st.lists(st.integers(-5, 1000), max_size=50))
def test_without_arrivals_the_arrival_is_the_running_maximum_of_event_time(times: list[int]) -> None:
    readings = [Reading("pump-7", time, {}) for time in times]
    expected = list(accumulate(chain([0], times), max))[1:]
    assert list(arrivals(readings)) == list(zip(expected, readings, strict=True))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_unsorted_file_is_sorted_and_counted(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"r{extension}"
    write_recording(path, numbered([3, 1, 2, 1]), ("t",))
    ordered = in_replay_order(path)
    assert ordered.total == 4
    assert [(reading.arrival, reading.time) for reading in ordered.readings] == [(1, 1), (1, 3), (2, 2), (3, 0)]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_file_without_arrivals_keeps_its_order(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"r{extension}"
    readings = [Reading("pump-7", time, {"t": 1.0}) for time in (5, 3, 9)]
    write_recording(path, readings, ("t",))
    assert list(in_replay_order(path).readings) == readings


def test_a_bad_last_line_is_found_before_the_first_reading_is_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("device,time\na,1\na,2\na,never\n")
    with pytest.raises(ConfigurationError, match="line 4, column time: 'never'"):
        in_replay_order(path)


@pytest.mark.parametrize("rows", ["a,1,\na,2,2\n", "a,1,1\na,2,\n"])
def test_a_recording_with_some_arrivals_is_refused(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(f"device,time,arrival\n{rows}")
    with pytest.raises(ConfigurationError, match=r"reading 2 has .* give all readings an arrival, or none"):
        in_replay_order(path)


@pytest.mark.parametrize(("arrival", "expected"), [("", "[3, 1, 2]"), (',"arrival":{}', "[1, 2, 3]")])
def test_standard_input_is_sorted_where_it_has_arrivals(arrival: str, expected: str) -> None:
    program = "from pipeline.recordings.ordering import in_replay_order as f; o = f('-'); print(o.total, [r.time for r in o.readings])"
    lines = "".join(f'{{"device":"a","time":{time},"values":{{}}{arrival.format(time)}}}\n' for time in (3, 1, 2))
    done = subprocess.run([sys.executable, "-c", program], input=lines, text=True, capture_output=True, check=True, timeout=60)
    assert done.stdout == f"None {expected}\n"

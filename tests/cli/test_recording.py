"""`record`, `recordings` and the options of `replay`, as a user meets them."""

from __future__ import annotations

import itertools
import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.recordings.files import read_recording
from pipeline.recordings.ordering import in_replay_order
from tests.support.commands import Done, command_line, environment, eventually, running

Sensorline = Callable[..., Done]


def published(sensorline: Sensorline) -> list[dict[str, object]]:
    done = sensorline("tail", "readings", "--from-start", "--until-end")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def topics(recorded: Path, sensorline: Sensorline) -> Path:
    """The folder with its recording, and empty topics."""
    assert sensorline("topics", "delete", "--yes").returncode == 0
    assert sensorline("topics", "create").returncode == 0
    return recorded


def test_what_was_replayed_is_recorded_and_listed(recorded: Path, sensorline: Sensorline) -> None:
    assert sensorline("record", "readings", "windows", "--until-end").returncode == 0
    original = list(read_recording(recorded / "fleet.jsonl"))
    again = list(in_replay_order(recorded / "recordings" / "sensor.readings").readings)
    assert [(it.device, it.time, it.arrival) for it in again] == [(it.device, it.time, it.arrival) for it in original]
    listed = [json.loads(line) for line in sensorline("recordings", "recordings", "--json").stdout.splitlines()]
    (readings, windows) = listed
    assert (readings["rows"], readings["missing"], readings["refused"]) == (len(original), [], {})
    assert readings["devices"] == sorted({it.device for it in original})
    assert (readings["first_arrival"], readings["last_arrival"]) == (original[0].arrival, original[-1].arrival)
    arrivals = [it.arrival or 0 for it in original]
    assert readings["longest_silence_ms"] == max(after - before for before, after in itertools.pairwise(arrivals))
    assert windows["kind"] == "windows"
    table = sensorline("recordings", "recordings")
    assert table.returncode == 0
    assert "sensor.readings" in table.stdout


def test_a_second_recorder_with_another_group_does_not_write_into_the_recording(recorded: Path, sensorline: Sensorline) -> None:
    assert sensorline("record", "--until-end").returncode == 0
    other = sensorline("record", "--until-end", "--group", "other")
    assert other.returncode == 1
    assert "give another --out, or the --group that did" in other.stderr
    assert sensorline("record", "--until-end", "--group", "other", "--out", "elsewhere").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["record", "weather"], 2, "there is no topic 'weather' to record; there are readings"),
        (["record", "--every", "soon"], 2, "--every soon"),
        (["recordings", "nowhere"], 2, "nowhere: no such folder; give the one that"),
        (["replay", "fleet.jsonl", "--from", "noon"], 2, "--from noon"),
        (["replay", "-", "--step"], 2, "--step: standard input is the recording"),
        (["replay", "fleet.jsonl", "--segment", "3"], 2, "--segment 3: fleet.jsonl is not a folder"),
        (["replay", "fleet.jsonl", "--resume"], 2, "no beginning of this replay"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], code: int, complaint: str, topics: Path, sensorline: Sensorline) -> None:
    done = sensorline(*arguments)
    assert (done.returncode, complaint in done.stderr) == (code, True), done.stderr


def test_a_recording_without_a_configured_sensor_is_refused_unless_forced(topics: Path, sensorline: Sensorline) -> None:
    (topics / "other.csv").write_text("device,time,wind,rain\npump,1,2.5,\npump,2,,1\n")
    refused = sensorline("replay", "other.csv", "--speed", "max")
    assert refused.returncode == 2
    assert "the recording has rain, wind, and none of [sensors] names (temperature, vibration, current)" in refused.stderr
    assert published(sensorline) == []
    assert sensorline("replay", "other.csv", "--speed", "max", "--force").returncode == 0
    assert len(published(sensorline)) == 2


def test_a_part_of_a_recording_is_replayed(topics: Path, sensorline: Sensorline) -> None:
    original = [it for it in read_recording(topics / "fleet.jsonl") if it.device == "machine-02"]
    middle = original[len(original) // 2].arrival or 0
    done = sensorline("replay", "fleet.jsonl", "--speed", "max", "--devices", "machine-02", "--from", str(middle))
    assert done.returncode == 0, done.stderr
    assert [it["time"] for it in published(sensorline)] == [it.time for it in original if (it.arrival or 0) >= middle]


def test_a_folder_of_files_is_one_recording(topics: Path, sensorline: Sensorline) -> None:
    folder = topics / "runs"
    folder.mkdir()
    (folder / "b.csv").write_text("device,time,temperature\nb,5,1\n")
    (folder / "a.jsonl").write_text('{"device":"a","time":3,"values":{"temperature":2}}\n')
    assert sensorline("replay", "runs", "--speed", "max").returncode == 0
    assert [it["device"] for it in sorted(published(sensorline), key=lambda it: str(it["time"]))] == ["a", "b"]


def test_copies_make_a_larger_fleet(topics: Path, sensorline: Sensorline) -> None:
    assert sensorline("replay", "fleet.jsonl", "--speed", "max", "--copies", "3").returncode == 0
    devices = {it["device"] for it in published(sensorline)}
    assert devices == {f"machine-0{number}{copy}" for number in (1, 2, 3) for copy in ("", "~2", "~3")}


def test_a_topic_that_was_replayed_into_twice_has_a_segment_for_each(recorded: Path, sensorline: Sensorline) -> None:
    assert sensorline("replay", "fleet.jsonl", "--speed", "max", "--devices", "machine-01").returncode == 0
    assert sensorline("record", "--until-end").returncode == 0
    assert sensorline("topics", "create", topics__readings="elsewhere").returncode == 0
    refused = sensorline("replay", "recordings", "--speed", "max", topics__readings="elsewhere")
    assert refused.returncode == 2
    assert "so it has segments 1, 2, each with its own time: choose --segment" in refused.stderr
    done = sensorline("replay", "recordings", "--speed", "max", "--segment", "2", topics__readings="elsewhere")
    only = [it for it in read_recording(recorded / "fleet.jsonl") if it.device == "machine-01"]
    assert f"{len(only)} readings published" in done.stderr


def test_step_by_step_enter_publishes_one_reading(topics: Path) -> None:
    terminal, side = pty.openpty()
    command = command_line("replay", "fleet.jsonl", "--step")
    with (topics / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=topics, env=environment(), stdin=side, stdout=subprocess.DEVNULL, stderr=said)
    try:
        for number in (1, 2, 3):
            await_questions(topics / "said", number)
            os.write(terminal, b"\n")
        await_questions(topics / "said", 4)
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()
    assert "3 readings published, stopped before the end" in (topics / "said").read_text()


def await_questions(said: Path, number: int) -> None:
    eventually(lambda: said.read_text().count("[Enter]") == number, 60, said.read_text)


def test_a_recorder_told_to_stop_has_what_it_read_in_its_files_and_goes_on_behind_it(recorded: Path, sensorline: Sensorline) -> None:
    with running(recorded, "record", "--every", "1h") as recorder:
        recorder.await_partitions(4)
        # It may have read nothing yet, all, or a part: its files must hold just that.
        assert recorder.interrupt() == 0
    assert sensorline("record", "--until-end").returncode == 0
    original = list(read_recording(recorded / "fleet.jsonl"))
    assert len(list(in_replay_order(recorded / "recordings").readings)) == len(original)

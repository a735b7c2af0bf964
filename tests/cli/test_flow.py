"""The commands together: topics, a simulated fleet, a replay, windows, and what `tail` shows of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.wire.schema import SCHEMAS

Sensorline = Callable[..., subprocess.CompletedProcess[str]]


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    """The JSON Lines that a command printed."""
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_recording_becomes_readings_and_windows(recorded: Path, sensorline: Sensorline) -> None:
    sent = [json.loads(line) for line in (recorded / "fleet.jsonl").read_text().splitlines()]
    readings = lines(sensorline("tail", "readings", "--from-start", "--until-end"))
    assert len(readings) == len(sent) > 100
    windows = lines(sensorline("tail", "windows", "--from-start", "--until-end"))
    assert {window["device"] for window in windows} == {reading["device"] for reading in sent}
    for window in windows:
        assert len(window["times"]) == len(window["values"]) > 0
        assert all(len(step) == len(window["sensors"]) for step in window["values"])
    assert any(value is None for window in windows for step in window["values"] for value in step)


def test_a_rejected_record_has_its_reason_its_place_and_its_text(sensorline: Sensorline, folder: Path) -> None:
    (folder / "late.jsonl").write_text(
        '{"device":"a","time":100000,"arrival":100000,"values":{"temperature":1.5}}\n'
        '{"device":"a","time":1000,"arrival":100001,"values":{"temperature":2.5}}\n'
    )
    for command in (["topics", "create"], ["replay", "late.jsonl", "--speed", "max"], ["window", "--drain"]):
        assert sensorline(*command).returncode == 0
    (rejected,) = lines(sensorline("tail", "sensor.rejected", "--from-start", "--until-end"))
    assert rejected.keys() == {"reason", "error", "source", "key", "value"}
    assert (rejected["reason"], rejected["key"]) == ("late", "a")
    assert rejected["source"].keys() == {"topic", "partition", "offset"}
    assert json.loads(rejected["value"])["values"] == {"temperature": 2.5}


@pytest.mark.usefixtures("recorded")
def test_the_end_of_a_topic_has_nothing_more(sensorline: Sensorline) -> None:
    assert lines(sensorline("tail", "windows", "--until-end")) == []


def test_a_topic_that_is_none_of_the_configuration_is_refused(sensorline: Sensorline) -> None:
    done = sensorline("tail", "window")
    assert done.returncode == 2
    assert "readings, windows, predictions, alerts, rejected" in done.stderr


def test_stages_run_in_memory_without_any_topic_made_before(recorded: Path, sensorline: Sensorline) -> None:
    (recorded / "sensorline.db").unlink()
    done = sensorline("run", "window", "alert", "--replay", "fleet.jsonl", broker__url="memory://")
    assert done.returncode == 0, done.stderr
    assert not (recorded / "sensorline.db").exists()
    assert done.stdout == "", "without a model there are no predictions to print"


def test_memory_without_a_recording_is_refused(sensorline: Sensorline) -> None:
    done = sensorline("run", "window", broker__url="memory://")
    assert done.returncode == 2
    assert "--replay" in done.stderr


def test_a_stage_either_drains_or_leaves_open(sensorline: Sensorline) -> None:
    assert sensorline("window", "--drain", "--until-end").returncode == 2


def test_topics_are_created_listed_and_deleted(sensorline: Sensorline) -> None:
    assert sensorline("topics", "create", "--group", "mine", topics__partitions="2").returncode == 0
    listed = sensorline("topics", "list", "--group", "mine", topics__partitions="2")
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    assert {row[0] for row in rows} >= {"sensor.readings", "sensorline.window.sensor.readings.state", "mine.sensor.readings.state"}
    assert {(row[1], row[3]) for row in rows} == {("2", "ok")}
    assert sensorline("topics", "delete", "--yes", "--group", "mine", topics__partitions="2").returncode == 0
    assert {line.split("\t")[3] for line in sensorline("topics", "list").stdout.splitlines()} == {"missing"}


def test_a_topic_of_another_size_is_an_error(sensorline: Sensorline) -> None:
    assert sensorline("topics", "create").returncode == 0
    done = sensorline("topics", "create", topics__partitions="8")
    assert done.returncode == 2
    assert "error: topic sensor.readings has 4 partitions, not topics.partitions = 8" in done.stderr
    assert "error: topic sensor.readings has 4 partitions" in sensorline("check", topics__partitions="8").stdout


@pytest.mark.usefixtures("recorded")
def test_check_finds_all_well(sensorline: Sensorline) -> None:
    done = sensorline("check")
    assert done.returncode == 0
    assert "ok: topic sensor.readings" in done.stdout
    assert "error" not in done.stdout


@pytest.mark.usefixtures("recorded")
def test_the_log_can_be_json(sensorline: Sensorline) -> None:
    done = sensorline("--log-format", "json", "window", "--until-end")
    assert done.returncode == 0
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events
    assert all({"time", "level", "logger", "message"} <= event.keys() for event in events)


@pytest.mark.parametrize("topic", SCHEMAS)
def test_the_schema_of_a_topic_is_printed(sensorline: Sensorline, topic: str) -> None:
    assert json.loads(sensorline("schema", topic).stdout) == SCHEMAS[topic]()
    assert json.loads(sensorline("schema").stdout)[topic] == SCHEMAS[topic]()

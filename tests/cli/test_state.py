"""`sensorline state` and the options that accept what is otherwise refused, on the embedded log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import SystemClock
from tests.support.commands import Done

READINGS = "sensor.readings"
Run = Callable[..., Done]


@pytest.fixture
def begun(sensorline: Run, folder: Path) -> Run:
    """A windower has read three readings of one device, and their window is open."""
    lines = [json.dumps({"device": "pump", "time": time, "values": {"temperature": 1.0}}) for time in (1_000, 2_000, 3_000)]
    (folder / "three.jsonl").write_text("\n".join(lines))
    for command in (["topics", "create"], ["replay", "three.jsonl", "--speed", "max", "--no-close"], ["window", "--until-end"]):
        done = sensorline(*command)
        assert done.returncode == 0, done.stderr
    return sensorline


def windows(run: Run, **settings: str) -> list[list[int]]:
    done = run("tail", "windows", "--from-start", "--until-end", **settings)
    return [json.loads(line)["times"] for line in done.stdout.splitlines()]


def last_line(done: Done) -> str:
    return [line for line in done.stderr.splitlines() if line.startswith("error:")][-1]


def test_another_window_spec_is_refused_and_migrated(begun: Run) -> None:
    refused = begun("window", "--drain", window__gap="20s")
    assert refused.returncode == 1
    assert "`sensorline state migrate` takes what is open over" in last_line(refused)
    assert begun("state", "migrate", window__gap="20s").returncode == 0
    assert begun("window", "--drain", window__gap="20s").returncode == 0
    assert windows(begun) == [[1_000, 2_000, 3_000]]


def test_a_reset_begins_again_at_the_start_of_the_log(begun: Run) -> None:
    assert begun("window", "--drain").returncode == 0
    done = begun("state", "reset", "window")
    assert (done.returncode, done.stdout) == (0, "")
    assert "window: 4 partitions, begins at the start of the log" in done.stderr
    assert begun("window", "--drain").returncode == 0
    assert windows(begun) == [[1_000, 2_000, 3_000]] * 2, "the same window, twice under one id"


def test_a_stage_without_state_has_none_to_reset(begun: Run) -> None:
    done = begun("state", "reset", "score")
    assert (done.returncode, last_line(done)) == (2, "error: score: keeps no state")


@pytest.mark.parametrize("options", [(), ("--accept-repartition",)], ids=["refused", "accepted"])
def test_more_partitions_must_be_accepted(begun: Run, folder: Path, options: Sequence[str]) -> None:
    broker = SqliteBroker(folder / "sensorline.db", SystemClock())
    broker.grow_topic(READINGS, 6)
    broker.close()
    done = begun("window", "--drain", *options)
    if options:
        assert done.returncode == 0
        assert begun("window", "--drain").returncode == 0, "accepted once and for all"
        assert windows(begun) == [[1_000, 2_000, 3_000]]
    else:
        assert done.returncode == 1
        assert "--accept-repartition goes on" in last_line(done)


@pytest.mark.parametrize("options", [(), ("--from-log-start",)], ids=["refused", "accepted"])
def test_a_topic_that_was_created_anew_must_be_begun_from_its_start(begun: Run, folder: Path, options: Sequence[str]) -> None:
    """Kafka keeps a group's positions when a topic is deleted; here they are put back by hand."""
    broker = SqliteBroker(folder / "sensorline.db", SystemClock())
    tool = broker.consumer(READINGS, "sensorline.window")
    positions = [assignment.committed for assignment in tool.poll(0.0).assigned if assignment.committed is not None]
    settings = broker.topics()[READINGS]
    broker.delete_topic(READINGS)
    broker.create_topic(settings)
    tool.close()
    again = broker.consumer(READINGS, "sensorline.window")
    again.poll(0.0)
    again.commit([position for position in positions if position.offset > 0])
    broker.close()
    done = begun("window", "--drain", *options)
    assert (done.returncode == 0) == bool(options), done.stderr
    if not options:
        assert "--from-log-start begins at the start of the log" in last_line(done)

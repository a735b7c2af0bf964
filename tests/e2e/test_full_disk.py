"""A full disk under the embedded log. A limit on the size of a process's files stands for it: SQLite meets it in `write`, as there."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.recordings.windows import windows_of
from pipeline.wire.readings import ReadingDecoder
from producers.simulate import record_fleet
from producers.simulator.fleet import readings
from producers.simulator.spec import SENSORS
from tests.support.commands import STARTS_WITHIN_S, command_line, environment, eventually
from tests.support.flows import contents
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import FLEET, SECTIONS

WITHIN_S = 15
LITTLE_BYTES = 60_000
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with ExitStack() as processes:
        made = new_pipeline(tmp_path, "sqlite:///", SECTIONS, processes)
        record_fleet(FLEET, tmp_path / "fleet.jsonl")
        yield made


def fill_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LITTLE_BYTES, resource.RLIM_INFINITY))


def test_a_replay_to_a_full_disk_says_so_and_what_was_published_stays(pipeline: Pipeline) -> None:
    pipeline.succeeds("replay", "fleet.jsonl", "--speed", "max")
    before = pipeline.records("readings")
    done = subprocess.run(
        command_line("replay", "fleet.jsonl", "--speed", "max"),
        cwd=pipeline.folder,
        env=environment(),
        preexec_fn=fill_disk,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the log ")
    assert "is the disk full" in line
    assert pipeline.records("readings") == before
    pipeline.succeeds("replay", "fleet.jsonl", "--speed", "max")
    assert len(pipeline.records("readings")) == 2 * len(before)


def test_a_windower_waits_for_room_and_makes_every_window_once(pipeline: Pipeline) -> None:
    windower = pipeline.start("window")
    windower.await_partitions(pipeline.partitions)
    resource.prlimit(windower.process.pid, resource.RLIMIT_FSIZE, (LITTLE_BYTES, resource.RLIM_INFINITY))
    pipeline.succeeds("replay", "fleet.jsonl", "--speed", "max")
    eventually(lambda: "is the disk full" in windower.said, STARTS_WITHIN_S, lambda: windower.said)
    expected = contents(windows_of(readings(FLEET), pipeline.settings.window.policy(), ReadingDecoder(SENSORS)))
    assert pipeline.count("windows") < len(expected)

    resource.prlimit(windower.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    eventually(lambda: pipeline.count("windows") >= len(expected), STARTS_WITHIN_S, lambda: windower.said)
    assert windower.interrupt() == 0
    assert "Traceback" not in windower.said
    assert contents(pipeline.windows()) == expected
    assert pipeline.count("windows") == len(expected)

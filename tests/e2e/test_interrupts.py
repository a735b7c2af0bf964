"""Ctrl-C during a replay and during a run: both end soon and well, and nothing is lost or done twice."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from pipeline.recordings.windows import windows_of
from pipeline.wire.readings import ReadingDecoder
from producers.simulate import record_fleet
from producers.simulator.fleet import readings
from producers.simulator.spec import SENSORS
from tests.e2e.conftest import StartPipeline
from tests.support.commands import STARTS_WITHIN_S, eventually
from tests.support.flows import contents
from tests.support.pipelines import Pipeline
from tests.support.simulated import FLEET, SECTIONS

RECORDING = "fleet.jsonl"


def windows_of_the_fleet(pipeline: Pipeline) -> dict[tuple[str, int, int], str]:
    return contents(windows_of(readings(FLEET), pipeline.settings.window.policy(), ReadingDecoder(SENSORS)))


def test_an_interrupted_replay_says_how_much_it_has_published(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    record_fleet(FLEET, pipeline.folder / RECORDING)
    replay = pipeline.start("replay", RECORDING, "--speed", "20")
    eventually(lambda: pipeline.count("readings") > 3 * pipeline.partitions, STARTS_WITHIN_S, lambda: replay.said)
    assert replay.interrupt(signal.SIGINT) == 0
    (line,) = replay.said.splitlines()
    told = re.fullmatch(r"(\d+) readings published, stopped before the end", line)
    assert told is not None
    assert len(pipeline.records("readings")) == int(told[1])

    pipeline.succeeds("replay", RECORDING, "--speed", "max")
    pipeline.succeeds("window", "--until-end")
    assert windows_of_the_fleet(pipeline).items() <= contents_of_the_last_replay(pipeline).items()


def contents_of_the_last_replay(pipeline: Pipeline) -> dict[tuple[str, int, int], str]:
    """The first, interrupted one gives its last windows other contents: of one identity the later counts."""
    return {(window.id, window.sequence, window.revision): window.hash for window in pipeline.windows()}


def test_an_interrupted_run_goes_on_where_it_was(start_pipeline: StartPipeline, wear_bundle: Path) -> None:
    pipeline = start_pipeline(f'{SECTIONS}[model]\npath = "{wear_bundle}"\n')
    record_fleet(FLEET, pipeline.folder / RECORDING)
    run = pipeline.start("run")
    run.await_partitions(3 * pipeline.partitions)
    replay = pipeline.start("replay", RECORDING, "--speed", "400")
    eventually(lambda: pipeline.count("windows") > 0, STARTS_WITHIN_S, lambda: run.said)
    assert run.interrupt(signal.SIGINT) == 0
    assert "Traceback" not in run.said
    assert "error" not in run.said.lower()
    assert replay.process.wait(STARTS_WITHIN_S) == 0

    expected = windows_of_the_fleet(pipeline)
    assert 0 < pipeline.count("windows") < len(expected), "interrupted in the middle"
    pipeline.succeeds("run", "--until-end")
    assert contents(pipeline.windows()) == expected
    assert pipeline.count("windows") == len(expected), "each once"
    predicted = [prediction.window.id for prediction in pipeline.predictions()]
    assert sorted(predicted) == sorted(name for name, _, _ in expected)

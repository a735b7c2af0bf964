"""Ctrl-C during a replay and during a run: both end soon and well, and nothing is lost or done twice."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from pipeline.clock import SystemClock
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading
from pipeline.wire.readings import ReadingDecoder
from producers.simulate import record_fleet
from producers.simulator.fleet import readings
from producers.simulator.spec import SENSORS
from tests.e2e.conftest import StartPipeline
from tests.support.commands import STARTS_WITHIN_S, STOPS_WITHIN_S, eventually
from tests.support.flows import contents
from tests.support.kafka_server import running_server
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import FLEET, SECTIONS

RECORDING = "fleet.jsonl"
STUBBORN = """
import threading
from pipeline.process import stop_on_signals
with stop_on_signals():
    print("ready", flush=True)
    threading.Event().wait()
"""


def windows_of_the_fleet(pipeline: Pipeline) -> dict[tuple[str, int, int], str]:
    return contents(windows_of(readings(FLEET), pipeline.settings.window.policy(), ReadingDecoder(SENSORS)))


def test_an_interrupted_replay_says_how_much_it_has_published(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    record_fleet(FLEET, pipeline.folder / RECORDING)
    replay = pipeline.start("replay", RECORDING, "--speed", "20")
    eventually(lambda: pipeline.count("readings") > 3 * pipeline.partitions, STARTS_WITHIN_S, lambda: replay.said)
    assert replay.interrupt(signal.SIGINT) == 0
    said = replay.said.splitlines()
    told = re.fullmatch(r"(\d+) readings published, stopped before the end", said[0])
    assert told is not None
    assert said[1:] == ["the same command with --resume goes on from there"]
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


def test_a_stage_stops_even_when_its_broker_does_not_answer(tmp_path: Path, kafka_url: str) -> None:
    """The reading is on the log, and the window it closes is not acknowledged: there is something to wait for in vain."""
    with ExitStack() as processes, running_server() as server:
        pipeline = new_pipeline(tmp_path, f"kafka://{server.address}", SECTIONS, processes)
        windower = pipeline.start("window")
        windower.await_partitions(pipeline.partitions)
        times = [SystemClock().now_ms() + minutes * 60_000 for minutes in range(3)]
        pipeline.publish(*[Reading("pump", time, {"temperature": 1.0}) for time in times])
        server.pause()
        assert windower.interrupt() in (0, 1)
        server.resume()
        pipeline.succeeds("window", "--drain")
        assert sorted({window.start for window in pipeline.windows()}) == times


def test_a_second_signal_ends_a_process_on_the_spot() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as stubborn:
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline() == "ready\n"
        stubborn.send_signal(signal.SIGINT)
        stubborn.send_signal(signal.SIGTERM)
        assert stubborn.wait(STOPS_WITHIN_S) == 1
        assert stubborn.stderr is not None
        assert "told to stop twice" in stubborn.stderr.read()

"""What is recorded of a live run, by real processes: each reading once whatever is killed, and replays that give the live answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.recordings.recorded import the_topic
from pipeline.records import Prediction, Reading, Window
from producers.simulator.fleet import readings
from tests.e2e.conftest import StartPipeline
from tests.support.commands import STARTS_WITHIN_S, Running, eventually
from tests.support.flows import contents
from tests.support.models import layers, save, sequential
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import FLEET, SECTIONS

LIVE_S = int(os.environ.get("SENSORLINE_LIVE_SECONDS", "60"))
DEVICES = 20
TOLERANCE = 1e-5
QUICK = """[sensors]
names = ["temperature", "vibration", "current"]
[window]
gap = "2s"
max_length = 20
out_of_orderness = "1s"
idle_timeout = "8s"
max_ahead = "1m"
max_behind = "1h"
"""


def recorder_of(pipeline: Pipeline, *kinds: str) -> Running:
    return pipeline.start("record", *kinds, "--out", "recorded", "--every", "20ms")


def test_a_recorder_killed_again_and_again_leaves_no_reading_out_and_none_twice(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    recording = [reading for reading in readings(FLEET) if reading.device < "machine-06"]
    size = len(recording) // 6 + 1
    folder = pipeline.folder / "recorded" / pipeline.readings

    def files() -> int:
        return len(list(folder.glob("day=*/part-*.parquet")))

    for number in range(6):
        wanted = files() + 1
        recorder = pipeline.start("record", "--out", "recorded", "--every", "20ms", broker__kafka__session_timeout_ms="3000")
        pipeline.publish(*recording[number * size : (number + 1) * size])
        await_files(recorder, files, wanted)
        recorder.kill()
    pipeline.succeeds("record", "--out", "recorded", "--until-end")
    topic = the_topic(pipeline.folder / "recorded", "readings")
    assert topic.missing == ()
    assert sorted(map(identity, topic.readings(0))) == sorted(map(identity, recording))


def await_files(recorder: Running, files: Callable[[], int], wanted: int) -> None:
    eventually(lambda: files() >= wanted, STARTS_WITHIN_S, lambda: recorder.said)


def identity(reading: Reading) -> tuple[str, int, str]:
    """A reading, with its values as the windower takes them."""
    return reading.device, reading.time, json.dumps({name: f"{value:.4g}" for name, value in sorted(reading.values.items())})


@dataclass(frozen=True)
class LiveRun:
    """A fleet that worked at the time of the day, on Kafka, and what was recorded of it."""

    pipeline: Pipeline
    bundle: Path

    @property
    def recording(self) -> Path:
        return self.pipeline.folder / "recorded" / self.pipeline.readings

    @property
    def sections(self) -> str:
        return f'{QUICK}[model]\npath = "{self.bundle}"\n'


@pytest.fixture(scope="module")
def live(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRun]:
    """Readings for LIVE_S seconds (SENSORLINE_LIVE_SECONDS); at the end all devices fall silent and are closed by ticks."""
    folder = tmp_path_factory.mktemp("live")
    with ExitStack() as processes:
        (folder / "making").mkdir()
        maker = new_pipeline(folder / "making", "sqlite:///", QUICK, processes)
        model = save(sequential(layers.Masking(), layers.LSTM(5), layers.Dense(1, name="wear"), shape=(None, 3)), folder)
        maker.succeeds("bundle", str(model), "--out", str(folder / "bundle"))
        run = LiveRun(new_pipeline(folder, kafka_url, f'{QUICK}[model]\npath = "{folder / "bundle"}"\n', processes), folder / "bundle")
        stages = [
            run.pipeline.start("window"),
            run.pipeline.start("score"),
            recorder_of(run.pipeline, "readings", "windows", "predictions"),
        ]
        faults = [
            "--gaps",
            "0.05",
            "--bursts",
            "0.03",
            "--disorder",
            "0.1",
            "--duplicates",
            "0.05",
            "--bad-clocks",
            "0.3",
            "--dying",
            "0.3",
        ]
        fleet = ["--devices", str(DEVICES), "--rate", "4", "--duration", f"{LIVE_S}s", *faults]
        simulated = run.pipeline.run("simulate", *fleet, within_s=LIVE_S + STARTS_WITHIN_S)
        assert simulated.returncode == 0, simulated.stderr
        await_the_end(run.pipeline, stages)
        assert [stage.interrupt(signal.SIGINT) for stage in stages] == [0, 0, 0]
        yield run


def await_the_end(pipeline: Pipeline, stages: list[Running]) -> None:
    """Returns when every accepted reading is in a window, and every window is scored."""

    def ended() -> bool:
        return closed(pipeline) == accepted(pipeline) and len(pipeline.predictions()) == len(pipeline.windows())

    eventually(ended, STARTS_WITHIN_S, lambda: [stage.said[-2_000:] for stage in stages])


def closed(pipeline: Pipeline) -> int:
    """Readings in windows."""
    return sum(window.length + window.merged - window.carried + window.dropped for window in pipeline.windows())


def accepted(pipeline: Pipeline) -> int:
    """Readings that were not rejected."""
    return len(pipeline.records("readings")) - len(pipeline.records("rejected"))


def assert_the_live_answer(live: LiveRun, replayed: Pipeline) -> None:
    windows = live.pipeline.windows()
    assert len({window.reason for window in windows}) > 2, "a fleet with silences, and windows that are full"
    assert contents(replayed.windows()) == contents(windows)
    assert boundaries(replayed.windows()) == boundaries(windows)
    wanted, found = scores(live.pipeline.predictions()), scores(replayed.predictions())
    assert found.keys() == wanted.keys()
    assert [key for key, b in wanted.items() if abs(found[key] - b) > TOLERANCE * max(1, abs(b))] == []


def boundaries(windows: list[Window]) -> set[tuple[str, int, int, str]]:
    return {(window.id, window.start, window.end, window.reason) for window in windows}


def scores(predictions: list[Prediction]) -> Mapping[str, float]:
    return {prediction.id: prediction.outputs["wear"] for prediction in predictions}


def test_a_live_run_replayed_through_the_embedded_log_gives_the_same_windows_and_scores(live: LiveRun, tmp_path: Path) -> None:
    with ExitStack() as processes:
        replayed = new_pipeline(tmp_path, "sqlite:///", live.sections, processes)
        replayed.succeeds("run", "window", "score", "--replay", str(live.recording), "--until-end")
        assert_the_live_answer(live, replayed)


def test_a_live_run_replayed_on_kafka_twenty_times_as_fast_gives_the_same_windows_and_scores(
    live: LiveRun, kafka_url: str, tmp_path: Path
) -> None:
    with ExitStack() as processes:
        replayed = new_pipeline(tmp_path, kafka_url, live.sections, processes)
        stages = [replayed.start("window"), replayed.start("score")]
        replayed.succeeds("replay", str(live.recording), "--speed", "20")
        wanted = len(contents(live.pipeline.windows()))
        eventually(lambda: len(replayed.predictions()) >= wanted, STARTS_WITHIN_S, lambda: [stage.said[-2_000:] for stage in stages])
        assert [stage.interrupt() for stage in stages] == [0, 0]
        assert_the_live_answer(live, replayed)


def test_the_recorded_windows_and_predictions_are_those_of_the_topics(live: LiveRun) -> None:
    folder = live.pipeline.folder / "recorded"
    assert sorted(the_topic(folder, "windows").items(Window), key=str) == sorted(live.pipeline.windows(), key=str)
    assert sorted(the_topic(folder, "predictions").items(Prediction), key=str) == sorted(live.pipeline.predictions(), key=str)


def test_the_list_of_recordings_counts_what_the_topics_hold(live: LiveRun) -> None:
    listed = live.pipeline.succeeds("recordings", "recorded", "--json").stdout.splitlines()
    rows = {line["kind"]: line["rows"] for line in map(json.loads, listed)}
    assert rows == {kind: len(live.pipeline.records(kind)) for kind in ("readings", "windows", "predictions")}


def test_a_replay_stopped_by_a_signal_goes_on_with_resume(live: LiveRun, tmp_path: Path) -> None:
    with ExitStack() as processes:
        replayed = new_pipeline(tmp_path, "sqlite:///", live.sections, processes)
        first = replayed.start("replay", str(live.recording), "--speed", "4")
        eventually(lambda: replayed.count("readings") > 50, STARTS_WITHIN_S, lambda: first.said)
        assert first.interrupt(signal.SIGINT) == 0
        assert "--resume goes on from there" in first.said
        second = replayed.start("replay", str(live.recording), "--speed", "100", "--resume")
        eventually(lambda: replayed.count("readings") > 500, STARTS_WITHIN_S, lambda: second.said)
        second.kill()
        replayed.succeeds("replay", str(live.recording), "--speed", "max", "--resume")
        replayed.succeeds("run", "window", "score", "--until-end")
        assert_the_live_answer(live, replayed)

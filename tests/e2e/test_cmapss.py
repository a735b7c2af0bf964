"""NASA's turbofan engines from the files to predictions: trained by the command, replayed on each broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.recordings.files import read_recording
from pipeline.records import Prediction
from pipeline.wire.predictions import decode_prediction
from producers.cmapss import SENSORS
from tests.support.commands import eventually
from tests.support.pipelines import Pipeline, new_pipeline

SECTIONS = f"""[sensors]
names = {json.dumps(SENSORS)}
[window]
kind = "count"
size = 50
step = 1
partial_start = true
max_length = 50
idle_timeout = "3h"
out_of_orderness = "0s"
"""
ENGINES = 100
SCORED_WITHIN_S = 120
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Engines:
    """The converted test file, and a model trained a little on the training file."""

    recording: Path
    bundle: Path
    last_cycle: dict[str, int]  # event time of each engine's last cycle
    readings: int

    @property
    def sections(self) -> str:
        return f'{SECTIONS}[model]\npath = "{self.bundle}"\n'


@pytest.fixture(scope="module")
def engines(cmapss_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    folder = tmp_path_factory.mktemp("fd001")
    with ExitStack() as processes:
        trainer = new_pipeline(folder, "sqlite:///", SECTIONS, processes)
        for split in ("train", "test"):
            trainer.succeeds("convert", "cmapss", str(cmapss_folder), "--subset", "FD001", "--split", split, "--out", split)
        files = ["--recording", "train/recording.parquet", "--labels", "train/labels.parquet", "--out", "rul"]
        trainer.succeeds("train", *files, "--cap", "125", "--epochs", "1", "--units", "8", "--channels", "value")
    readings = list(read_recording(folder / "test" / "recording.parquet"))
    last_cycle = {reading.device: reading.time for reading in readings}
    return Engines(folder / "test" / "recording.parquet", folder / "rul", last_cycle, len(readings))


def through_kafka(pipeline: Pipeline, engines: Engines) -> list[Prediction]:
    """Each stage is a process of its own, and so is the replay."""
    stages = [pipeline.start(stage) for stage in ("window", "score")]
    pipeline.succeeds("replay", str(engines.recording), "--speed", "max")
    eventually(lambda: pipeline.count("predictions") >= engines.readings, SCORED_WITHIN_S, lambda: [stage.said for stage in stages])
    assert [stage.interrupt() for stage in stages] == [0, 0]
    return pipeline.predictions()


def through_sqlite(pipeline: Pipeline, engines: Engines) -> list[Prediction]:
    """One process, as far as the recording goes."""
    pipeline.succeeds("run", "window", "score", "--replay", str(engines.recording), "--until-end")
    return pipeline.predictions()


def through_memory(pipeline: Pipeline, engines: Engines) -> list[Prediction]:
    """One process, which prints what it predicts."""
    done = pipeline.succeeds("run", "window", "score", "--replay", str(engines.recording), broker__url="memory://")
    return [decode_prediction(line.encode()) for line in done.stdout.splitlines()]


WAYS: dict[str, Callable[[Pipeline, Engines], list[Prediction]]] = {
    "kafka": through_kafka,
    "sqlite": through_sqlite,
    "memory": through_memory,
}


@pytest.fixture(scope="module")
def predicted(engines: Engines, kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Prediction]]]:
    """All predictions of the test engines, by broker."""
    with ExitStack() as processes:
        found = {}
        for broker, way in WAYS.items():
            url = kafka_url if broker == "kafka" else "sqlite:///"
            found[broker] = way(new_pipeline(tmp_path_factory.mktemp(broker), url, engines.sections, processes), engines)
        yield found


@pytest.mark.parametrize("broker", WAYS)
def test_every_cycle_of_every_test_engine_is_predicted_exactly_once(
    broker: str, predicted: dict[str, list[Prediction]], engines: Engines
) -> None:
    assert len(engines.last_cycle) == ENGINES
    predictions = predicted[broker]
    assert Counter(prediction.id for prediction in predictions).most_common(1)[0][1] == 1
    assert len(predictions) == engines.readings, "a window ends with each cycle"
    of_last_cycle = [prediction for prediction in predictions if prediction.window.end == engines.last_cycle[prediction.device]]
    assert sorted(prediction.device for prediction in of_last_cycle) == sorted(engines.last_cycle)


@pytest.mark.parametrize("broker", ["sqlite", "memory"])
def test_every_broker_gives_the_predictions_that_kafka_gives(broker: str, predicted: dict[str, list[Prediction]]) -> None:
    found = {prediction.id: prediction.outputs["rul"] for prediction in predicted[broker]}
    wanted = {prediction.id: prediction.outputs["rul"] for prediction in predicted["kafka"]}
    assert found.keys() == wanted.keys()
    apart = [found[name] - b for name, b in wanted.items() if abs(found[name] - b) > TOLERANCE * max(1, abs(b))]
    assert apart == []
    assert max(wanted.values()) - min(wanted.values()) > 20, "the model tells engines apart"

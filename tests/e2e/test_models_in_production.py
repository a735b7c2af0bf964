"""A scorer of its own process under load: models come and go, and every window has one prediction, in the order of the log."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.brokers.protocol import Message
from pipeline.brokers.reading import read_now
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.records import Prediction
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE, ContractSensor
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import encode_window
from tests.support.broker_logs import publish
from tests.support.commands import Running, eventually
from tests.support.models import layers, make_contract, save, sequential, sound_model
from tests.support.pipelines import Pipeline
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
SECTIONS = """
[sensors]
names = ["temperature", "vibration"]
[window]
gap = "10s"
out_of_orderness = "2s"
[model]
path = "pump"
reload = "200ms"
"""
POLICY = session_policy()
SPEC = POLICY.spec_id(SENSORS)
WITHIN_S = 60
AT_ONCE, PAUSE_S = 20, 0.05


class Load:
    """Windows that are published for as long as a test needs them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.published = 0
        self._pipeline = pipeline
        self._stop = threading.Event()

    def publish_for_ever(self) -> None:
        settings = self._pipeline.settings
        # A connection belongs to one thread.
        url = parse_url(self._pipeline.url, self._pipeline.folder)
        broker = open_broker(url, SystemClock(), kafka=settings.broker.kafka.options())
        while not self._stop.wait(PAUSE_S):
            numbers = range(self.published, self.published + AT_ONCE)
            made = [make_window([[n % 40, 1.0]] * (1 + n % 9), SENSORS, SPEC, device=f"pump-{n}") for n in numbers]
            publish(broker, *[Message(settings.topics.windows, window.device.encode(), encode_window(window)) for window in made])
            self.published += AT_ONCE
        broker.close()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Publishes until the end of the block."""
        thread = threading.Thread(target=self.publish_for_ever)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles by their version; "other" is for other sensors."""
    folder = tmp_path_factory.mktemp("releases")
    bigger = sequential(layers.Masking(), layers.LSTM(7), layers.Dense(1, name="rul"))
    sensors = {"1": SENSORS, "2": SENSORS, "other": ("temperature", "pressure")}
    for version, names in sensors.items():
        file = save(bigger if version == "2" else sound_model(), folder / "keras" / version)
        bundle_model(file, folder / version, [ContractSensor(name) for name in names], POLICY, Adoption("pump", version))
    return folder


def put(pipeline: Pipeline, releases: Path, version: str) -> None:
    """Replaces the bundle as `sensorline bundle` does."""
    target, incoming = pipeline.folder / "pump", pipeline.folder / f"incoming-{version}"
    shutil.copytree(releases / version, incoming)
    if target.exists():
        target.rename(pipeline.folder / f"old-{len(list(pipeline.folder.iterdir()))}")
    incoming.rename(target)


def by_partition(pipeline: Pipeline, topic: str) -> dict[int, list[Prediction]]:
    """The predictions of each partition in the order of the log."""
    found: dict[int, list[Prediction]] = {}
    for record in read_now(pipeline.broker, topic, pipeline.broker.end_offsets(topic)):
        found.setdefault(record.partition, []).append(decode_prediction(record.value or b""))
    return found


def versions(pipeline: Pipeline) -> set[str]:
    return {prediction.model.version for prediction in pipeline.predictions()}


def scored_by(pipeline: Pipeline, version: str, scorer: Running) -> None:
    """Returns when the model has scored something after now."""
    begun = sum(prediction.model.version == version for prediction in pipeline.predictions())
    eventually(
        lambda: sum(prediction.model.version == version for prediction in pipeline.predictions()) > begun, WITHIN_S, lambda: scorer.said
    )


def test_models_change_under_load_and_every_window_has_one_prediction(start_pipeline: Callable[..., Pipeline], releases: Path) -> None:
    pipeline = start_pipeline(SECTIONS)
    put(pipeline, releases, "1")
    scorer = pipeline.start("score")
    load = Load(pipeline)
    with load.going_on():
        scored_by(pipeline, "1", scorer)
        put(pipeline, releases, "2")
        scored_by(pipeline, "2", scorer)
        put(pipeline, releases, "other")
        eventually(lambda: "is refused" in scorer.said, WITHIN_S, lambda: scorer.said)
        scored_by(pipeline, "2", scorer)
        put(pipeline, releases, "1")
        eventually(lambda: scorer.said.count("the model is now pump 1") == 1, WITHIN_S, lambda: scorer.said)
        scored_by(pipeline, "1", scorer)
    eventually(lambda: pipeline.count("predictions") >= load.published, WITHIN_S, lambda: scorer.said)
    assert scorer.interrupt() == 0

    found = by_partition(pipeline, pipeline.settings.topics.predictions)
    windows = [prediction.window.id for predictions in found.values() for prediction in predictions]
    assert len(windows) == len(set(windows)) == load.published
    for predictions in found.values():
        order = [prediction.model.version for prediction in predictions]
        assert [before + after for before, after in pairwise(order) if before != after] == ["12", "21"]
    assert scorer.said.count("is refused") == 1
    assert pipeline.count("rejected") == 0


def test_a_bundle_that_is_copied_slowly_or_broken_is_not_scored_with(start_pipeline: Callable[..., Pipeline], releases: Path) -> None:
    pipeline = start_pipeline(SECTIONS)
    put(pipeline, releases, "1")
    scorer = pipeline.start("score")
    load = Load(pipeline)
    with load.going_on():
        scored_by(pipeline, "1", scorer)
        for file in sorted((releases / "2").iterdir()):
            shutil.copyfile(file, pipeline.folder / "pump" / file.name)
            data = file.read_bytes()
            (pipeline.folder / "pump" / file.name).write_bytes(data[: len(data) // 2])
        eventually(lambda: "is refused" in scorer.said, WITHIN_S, lambda: scorer.said)
        scored_by(pipeline, "1", scorer)
        assert versions(pipeline) == {"1"}
        for file in (releases / "2").iterdir():
            shutil.copyfile(file, pipeline.folder / "pump" / file.name)
        scored_by(pipeline, "2", scorer)
    eventually(lambda: pipeline.count("predictions") >= load.published, WITHIN_S, lambda: scorer.said)
    assert scorer.interrupt() == 0
    windows = [prediction.window.id for prediction in pipeline.predictions()]
    assert len(windows) == len(set(windows)) == load.published


def test_a_second_model_beside_the_first_is_compared_window_by_window(start_pipeline: Callable[..., Pipeline], releases: Path) -> None:
    pipeline = start_pipeline(f'{SECTIONS}shadow = "next"\n')
    put(pipeline, releases, "1")
    shutil.copytree(releases / "2", pipeline.folder / "next")
    assert f"ok: topic {pipeline.settings.topics.shadow}" in pipeline.succeeds("check").stdout
    scorer, alone = pipeline.start("score", "--no-shadow"), pipeline.start("score", "--shadow-only")
    load = Load(pipeline)
    shadow = pipeline.settings.topics.shadow
    with load.going_on():
        scored_by(pipeline, "1", scorer)
        eventually(lambda: by_partition(pipeline, shadow), WITHIN_S, lambda: alone.said)
        alone.kill()
        scored_by(pipeline, "1", scorer)
    beside = pipeline.start("score")
    for topic in (pipeline.settings.topics.predictions, shadow):
        eventually(
            lambda topic=topic: sum(pipeline.broker.end_offsets(topic).values()) >= load.published,  # type: ignore[misc]
            WITHIN_S,
            lambda: beside.said,
        )
    eventually(lambda: windows_of(pipeline, shadow) == windows_of(pipeline, pipeline.settings.topics.predictions), WITHIN_S)
    assert [running.interrupt() for running in (scorer, beside)] == [0, 0]
    assert {prediction.model.version for predictions in by_partition(pipeline, shadow).values() for prediction in predictions} == {"2"}
    assert versions(pipeline) == {"1"}
    for kind in ("predictions", "shadow"):
        (pipeline.folder / f"{kind}.jsonl").write_text(pipeline.succeeds("tail", kind, "--from-start", "--until-end").stdout)
    said = pipeline.succeeds("diff", "predictions.jsonl", "shadow.jsonl", "--json").stdout
    assert f'"compared":{load.published}' in said


def windows_of(pipeline: Pipeline, topic: str) -> set[str]:
    """The windows that have a prediction on a topic."""
    return {prediction.window.id for predictions in by_partition(pipeline, topic).values() for prediction in predictions}


def test_a_model_of_keras_is_replaced_too(tmp_path: Path, start_pipeline: Callable[..., Pipeline]) -> None:
    pipeline = start_pipeline(SECTIONS)
    file = save(sound_model(), tmp_path / "keras")

    def write(version: str) -> None:
        write_bundle(pipeline.folder / "pump", make_contract(POLICY, version=version), {MODEL_FILE: file})

    write("1")
    scorer = pipeline.start("score")
    load = Load(pipeline)
    with load.going_on():
        scored_by(pipeline, "1", scorer)
        write("2")
        scored_by(pipeline, "2", scorer)
    eventually(lambda: pipeline.count("predictions") >= load.published, WITHIN_S, lambda: scorer.said)
    assert scorer.interrupt() == 0
    windows = [prediction.window.id for prediction in pipeline.predictions()]
    assert len(windows) == len(set(windows)) == load.published

"""A second model scores the same windows to a topic of its own, and whatever happens to it, the first goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.launch import Launch, Shadow, build_stages, require_topics, run_stages
from consumers.scorer import watched
from pipeline.backtest.difference import compare
from pipeline.backtest.outcome import Outcome
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Record
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic, ModelRefused
from pipeline.records import Prediction
from pipeline.runner import Finish
from pipeline.stages.protocol import SHADOW, Handover
from pipeline.stages.score import ScoreStage
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import encode_window
from tests.consumers.conftest import SENSORS, settings_with
from tests.support.broker_logs import publish
from tests.support.windows import make_window

ONCE = Launch(("score",), finish=Finish.UNTIL_END, shadow=Shadow.BESIDE)


class House:
    """A log in memory with some windows."""

    def __init__(self, settings: Settings, windows: int = 20) -> None:
        self.settings = settings
        self._log = MemoryLog(SystemClock())
        self.broker = self.connect()
        for topic in settings.topics.all():
            self.broker.create_topic(topic)
        spec = settings.window.policy().spec_id(SENSORS)
        made = [make_window([[step, 1.0] for step in range(1 + n % 7)], SENSORS, spec, device=f"pump-{n}") for n in range(windows)]
        publish(self.broker, *[Message(settings.topics.windows, one.device.encode(), encode_window(one)) for one in made])

    def connect(self) -> MemoryBroker:
        return MemoryBroker(self._log)

    def run(self, launch: Launch) -> None:
        """From the beginning to the end."""
        stages = build_stages(self.settings, launch)
        require_topics(self.broker, self.settings, launch, stages)
        run_stages(self.settings, launch, stages, self.connect, threading.Event())

    def records(self, topic: str) -> list[Record]:
        return list(read_now(self.broker, topic, self.broker.end_offsets(topic)))

    def predictions(self, topic: str) -> list[Prediction]:
        return [decode_prediction(record.value or b"") for record in self.records(topic)]


@pytest.fixture
def house(bundles: Path) -> House:
    """Two good models."""
    return House(settings_with(bundles / "first", bundles / "second"))


def models(predictions: Sequence[Prediction]) -> set[str]:
    return {prediction.model.version for prediction in predictions}


def test_both_models_score_every_window_each_to_its_own_topic(house: House) -> None:
    house.run(ONCE)
    topics = house.settings.topics
    first, second = house.predictions(topics.predictions), house.predictions(topics.shadow)
    assert topics.shadow == f"{topics.predictions}.shadow"
    assert (models(first), models(second)) == ({"1"}, {"2"})
    assert {one.window.id for one in first} == {one.window.id for one in second}
    assert (len(first), len(second)) == (20, 20)
    difference = compare(Outcome("first", first, None), Outcome("second", second, None))
    assert (difference.compared, difference.only_a, difference.only_b) == (20, (), ())


def test_the_second_model_reads_in_a_group_of_its_own(house: House) -> None:
    stages = {stage.name: stage for stage in build_stages(house.settings, ONCE)}
    assert list(stages) == ["score", SHADOW]
    own = Launch(("score",), group="mine", shadow=Shadow.BESIDE)
    groups = [launch.group_of(stage, house.settings) for launch in (ONCE, own) for stage in stages.values()]
    assert groups == ["sensorline.score", "sensorline.score.shadow", "mine", "mine.shadow"]
    house.run(replace(own, finish=Finish.UNTIL_END))
    assert len(house.predictions(house.settings.topics.shadow)) == len(house.predictions(house.settings.topics.predictions)) == 20


def test_where_nobody_asked_for_it_there_is_no_second_model(house: House) -> None:
    house.run(Launch(("score",), finish=Finish.UNTIL_END))
    assert house.settings.topics.shadow not in house.broker.topics()


def test_it_runs_alone_in_a_process_of_its_own(house: House) -> None:
    house.run(Launch(("score",), finish=Finish.UNTIL_END, shadow=Shadow.ONLY))
    assert models(house.predictions(house.settings.topics.shadow)) == {"2"}
    assert house.records(house.settings.topics.predictions) == []


def test_its_topic_is_made_with_the_others_where_it_is_configured(bundles: Path) -> None:
    configured, plain = settings_with(bundles / "first", bundles / "second"), settings_with(bundles / "first")
    assert set(configured.own_topics()) - set(plain.own_topics()) == {configured.topics.shadow_topic()}


def test_its_topic_has_the_partitions_of_the_windows(bundles: Path) -> None:
    settings = settings_with(bundles / "first", bundles / "second")
    house = House(settings.model_copy(update={"topics": settings.topics.model_copy(update={"partitions": 2})}))
    house.settings = settings
    house.run(ONCE)
    assert house.broker.topics()[settings.topics.shadow].partitions == 2


def test_a_second_model_that_is_refused_is_complained_of_and_the_first_scores(bundles: Path, caplog: pytest.LogCaptureFixture) -> None:
    house = House(settings_with(bundles / "first", bundles / "other_windows"))
    house.run(ONCE)
    assert len(house.predictions(house.settings.topics.predictions)) == 20
    assert "goes on without the second model" in caplog.text
    assert "gap is 20000 ms for the model" in caplog.text


def test_alone_it_is_refused_like_any_model(bundles: Path) -> None:
    alone = Launch(("score",), shadow=Shadow.ONLY)
    with pytest.raises(ModelRefused, match="gap is 20000 ms"):
        build_stages(settings_with(bundles / "first", bundles / "other_windows"), alone)
    with pytest.raises(ConfigurationError, match=r"model\.shadow: is not set"):
        build_stages(settings_with(bundles / "first"), alone)


def test_windows_that_it_cannot_score_are_counted_and_not_put_on_the_rejected_topic(house: House) -> None:
    first, second = build_stages(house.settings, ONCE)
    assert isinstance(first, ScoreStage)
    assert isinstance(second, ScoreStage)
    bad = Record("windows", 0, 0, 0, b"pump-1", b"not a window")
    rejected = []
    for stage in (first, second):
        stage.assign(Handover(0, 0))
        rejected.append([message.topic for message in stage.step([bad], 0)])
        assert stage.counts()["rejected_schema"] == 1
    assert rejected == [[house.settings.topics.rejected], []]


def test_each_model_follows_its_own_bundle(house: House) -> None:
    stages = [stage for stage in build_stages(house.settings, ONCE) if isinstance(stage, ScoreStage)]
    for watch in watched(house.settings, stages):
        watch.look()
    assert [stage.model.version for stage in stages] == ["1", "2"]
    assert all(stage.counts()["model_reloads"] == 0 for stage in stages)


def test_the_windows_topic_must_be_there_all_the_same(house: House) -> None:
    house.broker.delete_topic(house.settings.topics.windows)
    alone = Launch(("score",), shadow=Shadow.ONLY)
    with pytest.raises(MissingTopic):
        require_topics(house.broker, house.settings, alone, build_stages(house.settings, alone))

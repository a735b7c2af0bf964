"""The score stage gives one prediction, or one rejected record, for each window, in the order of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.records import Prediction, Window
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE, ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.scorer import Scorer
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.stages.score import ScoreOptions, ScoreStage, ScoreTopics
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import encode_window
from tests.support.models import layers, make_contract, save, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
POLICY = session_policy(max_length=20)
SPEC = POLICY.spec_id(SENSORS)
NOW_MS = 1_767_225_700_000


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("bundle")
    tiny = (ContractSensor("temperature", scale=1e-5), ContractSensor("vibration", scale=1e-5))
    contract = make_contract(POLICY, sensors=tiny)
    return open_scorer(write_bundle(Path(folder) / "pump", contract, {MODEL_FILE: save(sound_model(), folder)}))


@pytest.fixture
def stage(scorer: Scorer) -> ScoreStage:
    stage = ScoreStage(ScoreTopics("windows", "predictions", "rejected"), scorer, POLICY, SENSORS)
    stage.assign(Handover(0, 0))
    stage.assign(Handover(1, 40))
    return stage


def window(length: int = 3, value: float = 1.0, device: str = "pump-1") -> Window:
    return make_window([[value * step, value] for step in range(length)], SENSORS, SPEC, device=device)


def record(value: Window | bytes | None, offset: int = 0, partition: int = 0) -> Record:
    data = encode_window(value) if isinstance(value, Window) else value
    return Record("windows", partition, offset, NOW_MS, b"pump-1", data)


def predictions(messages: Sequence[Message]) -> list[Prediction]:
    return [decode_prediction(message.value or b"") for message in messages if message.topic == "predictions"]


def rejections(messages: Sequence[Message]) -> list[tuple[str, str]]:
    headers = [dict(message.headers) for message in messages if message.topic == "rejected"]
    return [(header["reason"].decode(), header["error"].decode()) for header in headers]


def test_a_prediction_says_what_was_scored_by_which_model_and_when(stage: ScoreStage, scorer: Scorer) -> None:
    scored = window(length=3)

    [message] = stage.step([record(scored)], NOW_MS)

    [prediction] = predictions([message])
    assert (message.topic, message.key) == ("predictions", b"pump-1")
    assert prediction.device == "pump-1"
    assert (prediction.window.id, prediction.window.length, prediction.padded_to) == (scored.id, 3, 3)
    assert prediction.outputs["rul"] == pytest.approx(float(scorer.score([scored]).outputs[0, 0]))
    assert prediction.model == scorer.identity
    assert prediction.source == scored.source
    assert (prediction.times.last_arrival, prediction.times.scored) == (scored.source.last_arrival, NOW_MS)


def test_numbers_of_each_step_are_in_the_prediction_only_where_the_configuration_asks_for_them(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2))
    states = layers.LSTM(3, return_sequences=True)(layers.Masking()(inputs))
    weights = layers.Dense(1, activation="sigmoid", name="attention")(states)
    model = keras.Model(inputs, [layers.Dense(1, name="rul")(layers.LSTM(2)(states)), weights])
    contract = make_contract(POLICY, step_outputs=(ContractOutput("attention"),), last=4)
    scorer = open_scorer(write_bundle(tmp_path / "pump", contract, {MODEL_FILE: save(model, tmp_path)}))

    for asked, steps in ((False, [UNSET, UNSET]), (True, [3, 4])):
        stage = ScoreStage(ScoreTopics("windows", "predictions", "rejected"), scorer, POLICY, SENSORS, ScoreOptions(step_outputs=asked))
        messages = stage.step([record(window(3)), record(window(9), 1)], NOW_MS)
        found = [prediction.steps for prediction in predictions(messages)]
        assert [UNSET if numbers is UNSET else len(numbers["attention"]) for numbers in found] == steps
        assert all((b'"steps"' in (message.value or b"")) is asked for message in messages)


def test_outputs_come_in_the_order_of_the_input_over_all_partitions(stage: ScoreStage) -> None:
    lengths = [9, 1, 20, 3, 3, 7]
    records = [record(window(length, device=f"pump-{place}"), place, place % 2) for place, length in enumerate(lengths)]

    found = predictions(stage.step(records, NOW_MS))

    assert [prediction.device for prediction in found] == [f"pump-{place}" for place in range(6)]
    assert [prediction.window.length for prediction in found] == lengths


def test_the_same_window_has_the_same_prediction_however_it_is_polled(stage: ScoreStage) -> None:
    windows = [record(window(length, value=length, device=f"pump-{length}")) for length in range(1, 20)]

    together = predictions(stage.step(windows, NOW_MS))
    alone = [prediction for each in windows for prediction in predictions(stage.step([each], NOW_MS))]

    assert [prediction.id for prediction in together] == [prediction.id for prediction in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.outputs["rul"] == pytest.approx(other.outputs["rul"], rel=1e-5, abs=1e-5)


def test_a_prediction_id_differs_for_each_sequence_and_revision(stage: ScoreStage) -> None:
    first = window()
    contents = [first, msgspec.structs.replace(first, sequence=2), msgspec.structs.replace(first, revision=1)]

    found = predictions(stage.step([record(content) for content in contents], NOW_MS))

    assert len({prediction.id for prediction in found}) == 3


def test_a_window_that_is_too_short_is_counted_and_gives_nothing(stage: ScoreStage) -> None:
    assert stage.step([record(msgspec.structs.replace(window(), too_short=True))], NOW_MS) == []
    assert stage.counts()["too_short"] == 1


@pytest.mark.parametrize(
    ("bad", "reason", "says"),
    [
        (b"not a window", "schema", "not a window"),
        (b"", "schema", "not a window"),
        (msgspec.structs.replace(window(), spec="another"), "model", "made by spec another"),
        (msgspec.structs.replace(window(), sensors=("vibration", "temperature")), "model", "made by spec"),
        (window(length=21), "model", "has 21 steps"),
        (make_window([], SENSORS, SPEC), "model", "has 0 steps"),
        (make_window([[3e38, 3e38]], SENSORS, SPEC), "model", "not finite"),
    ],
)
def test_a_window_that_cannot_be_scored_is_rejected_and_its_neighbours_are_scored(
    stage: ScoreStage, bad: Window | bytes, reason: str, says: str
) -> None:
    refused = record(bad, offset=1)

    before, rejected, after = stage.step([record(window(), 0), refused, record(window(), 2)], NOW_MS)

    assert [before.topic, rejected.topic, after.topic] == ["predictions", "rejected", "predictions"]
    assert (rejected.key, rejected.value) == (refused.key, refused.value)
    [(found, error)] = rejections([rejected])
    assert found == reason
    assert says in error
    assert stage.counts()[f"rejected_{reason}"] == 1
    assert stage.counts()["scored"] == 2


def test_a_record_without_a_value_is_ignored_and_counted(stage: ScoreStage) -> None:
    assert stage.step([record(None, 5)], NOW_MS) == []
    assert stage.counts()["ignored"] == 1
    assert stage.checkpoint(0).position == Position(0, 6)


def test_the_position_is_the_next_offset_of_each_partition(stage: ScoreStage) -> None:
    assert stage.checkpoint(0) == Checkpoint(Position(0, 0))
    assert stage.checkpoint(1) == Checkpoint(Position(1, 40))

    stage.step([record(window(), 7, partition=0), record(b"bad", 40, partition=1), record(window(), 41, partition=1)], NOW_MS)

    assert stage.checkpoint(0) == Checkpoint(Position(0, 8))
    assert stage.checkpoint(1) == Checkpoint(Position(1, 42))


def test_it_never_waits_for_time_and_has_nothing_to_drain(stage: ScoreStage) -> None:
    assert stage.tick_interval_ms is None
    assert stage.tick(0) is None
    assert list(stage.drain(0, NOW_MS)) == []


def test_every_window_is_counted_once(stage: ScoreStage) -> None:
    short = msgspec.structs.replace(window(), too_short=True)
    unobserved = make_window([[math.nan, math.nan]], SENSORS, SPEC)

    stage.step([record(window(4)), record(short), record(b"bad"), record(window(21)), record(unobserved), record(None)], NOW_MS)

    counts = stage.counts()
    assert counts["windows"] == 5 == counts["scored"] + counts["too_short"] + counts["rejected_schema"] + counts["rejected_model"]
    assert (counts["real_cells"], counts["collisions"]) == (5, 1)
    assert counts["padded_cells"] >= 5

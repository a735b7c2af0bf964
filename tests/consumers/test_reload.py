"""A running score stage follows the bundle in its folder: another good one takes over, anything else changes nothing."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path

import pytest

from consumers.reload import BundleWatch, following
from consumers.scorer import scorer, watched
from pipeline.brokers.protocol import Record
from pipeline.records import Prediction
from pipeline.scoring.contract import MODEL_FILE
from pipeline.scoring.scorer import Scorer
from pipeline.stages.protocol import Handover
from pipeline.stages.score import ScoreStage
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import encode_window
from tests.consumers.conftest import SENSORS, Place, settings_with
from tests.support.commands import eventually
from tests.support.windows import make_window

RULE = {"name": "worn", "output": "rul", "below": 20}


class Following:
    """A score stage that is fed by hand, and who follows its bundle."""

    def __init__(self, folder: Path) -> None:
        settings = settings_with(folder, alerts=[RULE])
        self.stage: ScoreStage = scorer(settings)
        self.stage.assign(Handover(0, 0))
        [self.watch] = watched(settings, [self.stage])
        self._spec = settings.window.policy().spec_id(SENSORS)
        self._offsets = count()

    def score(self, windows: int = 3) -> list[Prediction]:
        """A poll of new windows."""
        records = []
        for offset in (next(self._offsets) for _ in range(windows)):
            window = make_window([[offset, 1.0]] * (1 + offset % 9), SENSORS, self._spec, device=f"pump-{offset}")
            records.append(Record("windows", 0, offset, 0, window.device.encode(), encode_window(window)))
        return [decode_prediction(message.value or b"") for message in self.stage.step(records, 0)]

    @property
    def version(self) -> str:
        """The model of the next prediction."""
        [prediction] = self.score(1)
        return prediction.model.version

    def counts(self) -> tuple[int, int, int]:
        """Models that took over, bundles that were refused, and whether the one that is there is."""
        found = self.stage.counts()
        return found["model_reloads"], found["model_reload_failures"], found["model_refused"]


@pytest.fixture
def first(place: Place) -> Following:
    """A stage at work with the first bundle."""
    return Following(place("first"))


def test_nothing_happens_while_the_bundle_is_the_same(first: Following, place: Place) -> None:
    before = first.stage.model
    for _ in range(3):
        first.watch.look()
    place("first")
    first.watch.look()
    assert (first.stage.model, first.counts()) == (before, (0, 0, 0))


def test_another_bundle_takes_over_between_two_polls(first: Following, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "consumers.reload")
    assert first.version == "1"
    place("second")
    assert first.version == "1"
    first.watch.look()
    assert {prediction.model.version for prediction in first.score()} == {"2"}
    assert first.counts() == (1, 0, 0)
    assert "the model is now pump 2" in caplog.text


def test_the_old_bundle_is_taken_back(first: Following, place: Place) -> None:
    begun = first.stage.model
    for name, version in (("second", "2"), ("first", "1")):
        place(name)
        first.watch.look()
        assert first.version == version
    assert first.stage.model == begun


def test_a_bundle_that_is_taken_back_before_it_scored_is_not_scored_with(first: Following, place: Place) -> None:
    for name in ("second", "first"):
        place(name)
        first.watch.look()
    assert first.version == "1"


def test_a_link_that_is_turned_is_followed(bundles: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundles / "first")
    follower = Following(link)
    for name, version in (("second", "2"), ("first", "1")):
        (tmp_path / "next").symlink_to(bundles / name)
        (tmp_path / "next").replace(link)
        follower.watch.look()
        assert follower.version == version
    assert follower.counts() == (2, 0, 0)


def test_a_bundle_that_is_copied_file_by_file_is_taken_when_it_is_complete(
    first: Following, bundles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = sorted((bundles / "second").iterdir())
    assert [file.name for file in files][:2] == ["contract.json", "model.growing.onnx"]
    for file in files:
        data = file.read_bytes()
        for part in (data[: len(data) // 2], data):
            assert first.version == "1"
            (tmp_path / "pump" / file.name).write_bytes(part)
            first.watch.look()
    assert first.version == "2"
    assert first.counts() == (1, 0, 0)
    assert "refused" not in caplog.text


def halve(folder: Path) -> None:
    data = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("name", "harm", "says"),
    [
        ("second", halve, "damaged or replaced"),
        ("second", lambda folder: (folder / "model.onnx").unlink(), "the bundle is incomplete"),
        ("second", lambda folder: (folder / "contract.json").write_text("{"), "not JSON"),
        ("second", shutil.rmtree, "the bundle is incomplete"),
        ("other_sensors", lambda folder: None, "needs the sensors pressure"),
        ("other_windows", lambda folder: None, "gap is 20000 ms for the model and 10000 ms here"),
        ("other_output", lambda folder: None, "does not give rul"),
    ],
)
def test_a_bundle_that_a_start_would_refuse_is_complained_of_once_and_the_old_model_goes_on(
    first: Following, place: Place, caplog: pytest.LogCaptureFixture, name: str, harm: Callable[[Path], object], says: str
) -> None:
    harm(place(name))
    first.watch.look()
    assert (first.counts(), caplog.text) == ((0, 0, 0), ""), "it may still be being written"
    for _ in range(3):
        first.watch.look()
        assert first.version == "1"
    assert first.counts() == (0, 1, 1)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "goes on with the model pump 1" in caplog.text
    assert says in caplog.text
    assert "Traceback" not in caplog.text

    place("second")
    first.watch.look()
    assert (first.version, first.counts()) == ("2", (1, 1, 0))


def test_each_bundle_that_is_refused_is_counted(first: Following, place: Place) -> None:
    for name in ("other_sensors", "other_windows"):
        place(name)
        for _ in range(3):
            first.watch.look()
    assert first.counts() == (0, 2, 1)


def test_whatever_a_bundle_does_to_its_loader_the_old_model_goes_on(
    first: Following, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def load() -> Scorer:
        raise MemoryError("no room for so large a model")

    watch = BundleWatch(place("second"), load, first.stage)
    for _ in range(3):
        watch.look()
    assert (first.version, first.counts()) == ("1", (0, 1, 1))
    assert caplog.text.count("Traceback") == 1


def test_no_window_is_left_out_or_scored_twice_while_models_change_under_load(first: Following, place: Place) -> None:
    polls: list[list[Prediction]] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            polls.append(first.score(40))

    def further_polls() -> None:
        begun = len(polls)
        eventually(lambda: len(polls) > begun + 2, 30)

    scoring = threading.Thread(target=load)
    scoring.start()
    try:
        for number in range(6):
            further_polls()
            place("first" if number % 2 else "second")
            first.watch.look()
    finally:
        eventually(lambda: polls[-1][0].model.version == "1", 30)
        stop.set()
        scoring.join()
    versions = [{prediction.model.version for prediction in poll} for poll in polls]
    assert all(len(poll) == 40 and len(of_poll) == 1 for poll, of_poll in zip(polls, versions, strict=True))
    windows = [prediction.window.id for poll in polls for prediction in poll]
    assert len(set(windows)) == len(windows)
    changes = sum(before != after for before, after in pairwise(versions))
    assert (changes, first.counts()) == (6, (6, 0, 0))


def test_the_thread_looks_again_and_again_until_the_end_of_the_block(first: Following, place: Place) -> None:
    with following([first.watch], 0.01):
        place("second")
        eventually(lambda: first.version == "2", 30)
        place("first")
        eventually(lambda: first.version == "1", 30)
    assert first.counts()[0] == 2
    assert "reload" not in {thread.name for thread in threading.enumerate()}

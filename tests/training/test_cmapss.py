"""Real data: a small model of a few of NASA's turbofan engines tells how long others live."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.core.policy import Count, Keep, Overflow, WindowPolicy
from pipeline.recordings.labels import read_labels
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_of
from pipeline.records import Window
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.load import open_scorer
from pipeline.training.dataset import label_windows
from pipeline.training.labels import last_step, read_label_table
from pipeline.training.progress import Watch
from pipeline.training.recipe import Architecture, Fitting, Recipe
from pipeline.training.train import Destination, train_bundle
from pipeline.wire.readings import ReadingDecoder
from producers.cmapss import CYCLE_MS, Converted, Split, convert_cmapss

SENSORS = tuple(f"sensor_{number}" for number in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21))
CAP = 125


def policy(step: int) -> WindowPolicy:
    """The last 50 cycles, every `step` cycles."""
    return WindowPolicy(Count(50, step, partial_start=True), 0, 3 * CYCLE_MS, 50, Overflow.SPLIT, Keep.LAST)


def windows(converted: Converted, step: int) -> list[Window]:
    return list(windows_of(in_replay_order(converted.recording).readings, policy(step), ReadingDecoder(SENSORS)))


def test_a_quickly_trained_model_tells_the_life_left_of_the_test_engines(cmapss_folder: Path, tmp_path: Path) -> None:
    training = convert_cmapss(cmapss_folder, "FD001", Split.TRAIN, tmp_path / "train")
    recipe = Recipe(cap=CAP, architecture=Architecture(units=(32,)), fitting=Fitting(epochs=8))
    labelled = label_windows(windows(training, step=10), read_label_table(training.labels, recipe))
    sensors = [ContractSensor(sensor) for sensor in SENSORS]
    bundle = train_bundle(labelled, sensors, policy(10), recipe, Destination(tmp_path / "rul", "rul"), Watch(lambda _: None))

    test = convert_cmapss(cmapss_folder, "FD001", Split.TEST, tmp_path / "test")
    last = {window.device: window for window in windows(test, step=10)}
    life_left = {(label.device, label.time): label.outputs["rul"] for label in read_labels(test.labels)}
    wanted = np.minimum([life_left[last_step(window)] for window in last.values()], CAP)
    found = open_scorer(bundle).score(list(last.values())).outputs[:, 0]
    assert len(last) == 100
    error = np.sqrt(np.mean((found - wanted) ** 2))
    assert error < 25 < np.sqrt(np.mean((labelled.targets.mean() - wanted) ** 2))

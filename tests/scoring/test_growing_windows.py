"""A window that is scored while it grows has, after each step, the score of its steps so far alone; only new steps are computed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.core.features import Age, Averages, Change, Delta, DeltaPer, Observed, Value
from pipeline.core.scaling import Condition
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.bundle import Bundle, write_bundle
from pipeline.scoring.contract import MODEL_FILE, ONNX_GROWING_FILE, Contract
from pipeline.scoring.keras_engine import KerasEngine
from pipeline.scoring.load import open_scorer
from pipeline.scoring.onnx_file import add_onnx
from pipeline.scoring.probe import same_scores
from tests.support.models import layers, make_contract, save, sequential
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
POLICY = session_policy(max_length=40)
DEVICES, STEPS = 6, 30


LITTLE = (Value(), Change(), Observed(), Delta(DeltaPer.SENSOR, 2.5), Age(scale=10))
CONDITIONS = (Condition((-1,), (20, 0), (5, 1)), Condition((1,), (30, 0), (2, 1)))
LOOKING_BACK: dict[str, dict[str, Any]] = {
    "at few steps": {"channels": LITTLE},
    "at all steps": {"channels": (Value(), Observed(), Averages((2, 9.5)), Delta())},
    "at conditions": {"channels": LITTLE, "settings": ("vibration",), "conditions": CONDITIONS},
}


@pytest.fixture(scope="module", params=LOOKING_BACK)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Two stacked recurrent layers over channels that look back."""
    folder = tmp_path_factory.mktemp("growing")
    contract = make_contract(POLICY, fill="forward", **LOOKING_BACK[request.param])
    model_file = save(two_layers(contract), folder)
    contract, files = add_onnx(contract, KerasEngine(model_file), folder)
    return write_bundle(folder / "bundle", contract, {MODEL_FILE: model_file} | files)


def two_layers(contract: Contract) -> Any:
    parts = [layers.Masking(), layers.LSTM(5, return_sequences=True), layers.GRU(4), layers.Dense(1, name="rul")]
    return sequential(*parts, shape=(None, contract.features().width))


def grown() -> list[list[Window]]:
    """For each device what a window is after each of its steps; the last is final."""
    random = np.random.default_rng(7)
    devices = []
    for device in range(DEVICES):
        values = random.normal(20, 5, (STEPS, 2))
        values[random.random(values.shape) < 0.2] = math.nan
        times = np.cumsum(random.integers(1, 5_000, STEPS))
        parts = [
            make_window(values[:length], SENSORS, times=times[:length].tolist(), device=f"pump-{device}") for length in range(1, STEPS + 1)
        ]
        devices.append([msgspec.structs.replace(part, id=part.device, final=part.length == STEPS) for part in parts])
    return devices


def whole_scores(bundle: Bundle, parts: list[Window]) -> np.ndarray:
    """Of each part as if no other had been there."""
    return open_scorer(bundle).score([msgspec.structs.replace(part, id=f"{part.id}-{part.length}", final=True) for part in parts]).outputs


@pytest.mark.parametrize("restarts", [False, True])
def test_after_each_step_the_score_is_that_of_the_steps_so_far_alone(bundle: Bundle, restarts: bool) -> None:
    devices, random = grown(), np.random.default_rng(8)
    scorer = open_scorer(bundle)
    done = [0] * DEVICES
    found: dict[tuple[str, int], np.ndarray] = {}
    while min(done) < STEPS:
        if restarts and random.random() < 0.3:
            scorer = open_scorer(bundle)
        poll: list[Window] = []
        for device, parts in enumerate(devices):
            further = min(int(random.integers(0, 5)), STEPS - done[device])
            poll += parts[done[device] : done[device] + further]
            done[device] += further
        order = random.permutation(len(poll)).tolist()
        if poll:
            scores = scorer.score([poll[place] for place in order])
            found |= {(poll[place].device, poll[place].length): row for place, row in zip(order, scores.outputs, strict=True)}
            assert not scores.errors
    for parts in devices:
        assert same_scores(np.stack([found[part.device, part.length] for part in parts]), whole_scores(bundle, parts))


def test_only_the_new_steps_are_computed(bundle: Bundle) -> None:
    scorer = open_scorer(bundle)
    *growing, closed = grown()[0]
    assert [scorer.score([part]).real_cells for part in growing] == [1] * len(growing)
    assert scorer.score([closed]).real_cells == 1
    assert scorer.score([closed]).real_cells == STEPS, "a closed window is forgotten, and then scored as a whole"


def test_growing_and_closed_windows_of_one_poll_keep_their_order(bundle: Bundle) -> None:
    scorer = open_scorer(bundle)
    first, second, third = grown()[:3]
    poll = [first[-1], second[3], third[-1], second[9], first[4]]
    scores = scorer.score(poll)
    assert same_scores(scores.outputs, whole_scores(bundle, poll))
    assert all(padded >= part.length for padded, part in zip(scores.padded_to.tolist(), poll, strict=True))


def test_a_model_that_looks_both_ways_scores_growing_windows_as_a_whole(tmp_path: Path) -> None:
    model_file = save(sequential(layers.Masking(), layers.Bidirectional(layers.LSTM(3)), layers.Dense(1)), tmp_path)
    contract, files = add_onnx(make_contract(POLICY), KerasEngine(model_file), tmp_path)
    scorer = open_scorer(write_bundle(tmp_path / "bundle", contract, {MODEL_FILE: model_file} | files))
    assert [scorer.score([part]).real_cells for part in grown()[0][:3]] == [1, 2, 3]


def test_a_bundle_whose_growing_model_does_something_else_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    other = save(
        sequential(layers.Masking(), layers.LSTM(3), layers.Dense(1, name="rul"), shape=(None, bundle.contract.features().width)),
        tmp_path / "other",
    )
    _, files = add_onnx(bundle.contract, KerasEngine(other), tmp_path)
    mixed = {name: bundle.folder / name for name in bundle.contract.files} | {ONNX_GROWING_FILE: files[ONNX_GROWING_FILE]}
    with pytest.raises(ModelRefused, match="scores of growing windows differ"):
        open_scorer(write_bundle(tmp_path / "mixed", bundle.contract, mixed))

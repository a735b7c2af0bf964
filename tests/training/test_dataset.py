"""The split by device, the copies of a recording, and what is given to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import Age, Averages, Value
from pipeline.errors import ConfigurationError
from pipeline.scoring.contract import Contract, ContractOutput, ContractSensor
from pipeline.training.dataset import LabelledWindows, make_examples, split_devices
from tests.support.windows import make_window


@given(count=st.integers(2, 60), holdout=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_each_device_is_on_one_side_and_both_sides_have_some(count: int, holdout: float, seed: int) -> None:
    devices = frozenset(f"pump-{number}" for number in range(count))
    training, held_out = split_devices(devices, holdout, seed)
    assert training | held_out == devices
    assert not training & held_out
    assert abs(len(held_out) - holdout * count) <= 1
    assert training
    assert held_out
    assert split_devices(devices, holdout, seed) == (training, held_out)


def test_another_seed_holds_out_other_devices() -> None:
    devices = frozenset(f"pump-{number}" for number in range(20))
    assert len({split_devices(devices, 0.2, seed)[1] for seed in range(10)}) > 5


def test_one_device_cannot_be_split() -> None:
    with pytest.raises(ConfigurationError, match="at least 2 are needed"):
        split_devices(frozenset({"a"}), 0.2, 1)


def test_windows_go_with_their_device() -> None:
    windows = tuple(make_window([[number]], ["x"], device=f"pump-{number % 3}") for number in range(9))
    labelled = LabelledWindows(windows, np.arange(9, dtype=np.float32)[:, None], ("rul",))
    chosen = labelled.of(frozenset({"pump-1"}))
    assert chosen.targets.ravel().tolist() == [1, 4, 7]
    assert chosen.devices == {"pump-1"}


def test_a_copy_stands_behind_the_recording_as_it_is() -> None:
    windows = tuple(make_window([[number]], ["x"], device=f"pump-{number % 2}") for number in range(4))
    whole = LabelledWindows(windows, np.arange(4, dtype=np.float32)[:, None], ("rul",), unlabelled=1)
    together = whole + replace(whole, unlabelled=7) + whole.of(frozenset({"pump-1"}))
    assert together.copies == (0, 0, 0, 0, 1, 1, 1, 1, 2, 2)
    assert together.targets.ravel().tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 1, 3]
    assert together.unlabelled == 1
    assert together.of(frozenset({"pump-1"})).copies == (0, 0, 1, 1, 2, 2)
    assert together.as_recorded.windows == whole.windows == whole.as_recorded.windows


def contract(**changes: Any) -> Contract:
    """Of two sensors and windows of up to 40 steps."""
    sensors = (ContractSensor("x", mean=1, scale=2), ContractSensor("y"))
    fields: dict[str, Any] = {"sensors": sensors, "max_length": 40, "outputs": (ContractOutput("rul"),)}
    return Contract(name="m", version="1", window={}, task="regression", **fields | changes)


def test_examples_never_look_like_padding() -> None:
    windows = [make_window([[1.0, 0.0], [1.0, 0.0]], ["x", "y"])]
    examples = make_examples(windows, np.zeros((1, 1), np.float32), contract())
    assert np.any(examples.inputs != 0, axis=1).all()


def test_examples_are_the_last_steps_in_many_small_pieces_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    windows = [make_window(random.normal(size=(int(length), 2)), ["x", "y"]) for length in random.integers(1, 41, 30)]
    wanted = contract(last=7, channels=(Value(), Age(), Averages((3,))))
    whole = make_examples(windows, np.zeros((30, 1), np.float32), wanted)
    assert whole.lengths.tolist() == [min(7, window.length) for window in windows]
    assert whole.inputs.shape == (whole.lengths.sum(), 5)
    monkeypatch.setattr("pipeline.training.dataset.WINDOWS_AT_ONCE", 4)
    pieces = make_examples(windows, np.zeros((30, 1), np.float32), wanted)
    assert pieces.inputs.tobytes() == whole.inputs.tobytes()


def test_codes_stand_beside_the_features() -> None:
    sensors = (ContractSensor("mode", codes=("off", "on"), vocabulary=4, unobserved=3), ContractSensor("y"))
    windows = [make_window([[1, 5], [np.nan, 6]], ["mode", "y"]), make_window([[2, 7]], ["mode", "y"])]
    examples = make_examples(windows, np.zeros((2, 1), np.float32), contract(sensors=sensors))
    assert examples.inputs.tolist() == [[5], [6], [7]]
    assert [codes.tolist() for codes in examples.codes] == [[1, 3, 2]]
    only_codes = make_examples(windows, np.zeros((2, 1), np.float32), contract(sensors=sensors[:1]))
    assert [given.tolist() for given in only_codes.model_inputs] == [[1, 3, 2]]


def test_a_window_that_no_scorer_would_take_is_named() -> None:
    sensors = (ContractSensor("mode", codes=("off", "on"), vocabulary=3),)
    with pytest.raises(ConfigurationError, match=r"window of pump-1 from .*: mode is 3, which is none of the codes 1 to 2"):
        make_examples([make_window([[3]], ["mode"])], np.zeros((1, 1), np.float32), contract(sensors=sensors))

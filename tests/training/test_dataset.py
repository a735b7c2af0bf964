"""The split by device, the scaling, and the batches of an epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.features import FeatureSpec, ragged
from pipeline.errors import ConfigurationError
from pipeline.training.batches import TrainingBatches
from pipeline.training.dataset import Examples, LabelledWindows, fit_scaling, make_examples, split_devices
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


def test_scaling_is_mean_and_deviation_of_what_was_observed() -> None:
    nan = np.nan
    values = np.array([[1, 5, nan, 2.5], [3, 5, nan, nan], [nan, 5, nan, 7.5]], np.float32)
    mean, scale = fit_scaling(values)
    assert mean == (2, 5, 0, 5)
    assert scale == (1, 1, 1, 2.5), "a constant sensor, and one never observed, have scale 1"


def test_a_sensor_that_varies_by_rounding_only_is_not_blown_up() -> None:
    values = np.array([[100.0], [np.nextafter(np.float32(100), np.float32(200))]] * 50, np.float32)
    assert fit_scaling(values).scale == (1,)


def test_examples_never_look_like_padding() -> None:
    windows = [make_window([[0.0, 0.0], [1.0, 0.0]], ["x", "y"])]
    examples = make_examples(ragged(windows), np.zeros((1, 1), np.float32), FeatureSpec((0, 0), (1, 1)))
    assert np.any(examples.inputs != 0, axis=1).all()


def numbered_examples(lengths: list[int]) -> Examples:
    """Window i, from 1, has the input and the target i in all its steps."""
    numbers = np.arange(1, len(lengths) + 1, dtype=np.float32)
    return Examples(np.repeat(numbers, lengths)[:, None], np.array(lengths, np.int64), numbers[:, None])


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=80), batch_size=st.integers(1, 20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_an_epoch_has_each_window_once_padded_on_the_right(lengths: list[int], batch_size: int, seed: int) -> None:
    batches = TrainingBatches(numbered_examples(lengths), batch_size, seed)
    for _ in range(2):
        epoch = list(batches.epoch())
        assert len(epoch) == len(batches)
        assert sorted(number for _, targets in epoch for number in targets.ravel()) == list(range(1, len(lengths) + 1))
        for inputs, targets in epoch:
            assert 1 <= len(targets) <= batch_size
            for steps, number in zip(inputs[:, :, 0], targets.ravel(), strict=True):
                length = lengths[int(number) - 1]
                assert steps.tolist() == [number] * length + [0] * (len(steps) - length)


def test_epochs_differ_and_equal_seeds_give_equal_ones() -> None:
    def order(seed: int) -> list[list[float]]:
        batches = TrainingBatches(numbered_examples([3] * 50), 8, seed)
        return [[float(number) for _, targets in batches.epoch() for number in targets.ravel()] for _ in range(2)]

    assert order(1) == order(1)
    assert order(1)[0] != order(1)[1]
    assert order(1) != order(2)


def test_windows_of_like_length_are_batched_together() -> None:
    batches = TrainingBatches(numbered_examples([5] * 500 + [100] * 500), 50, 1)
    assert {inputs.shape[1] for inputs, _ in batches.epoch()} == {5, 100}

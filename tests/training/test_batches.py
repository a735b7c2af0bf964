"""Training batches: each window once, like lengths together, every n-th window of a device, and the same again for the same epoch."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.batches import Thinning, TrainingBatch, TrainingBatches
from pipeline.training.dataset import Examples
from pipeline.training.recipe import Recipe, Task
from pipeline.training.weights import window_weights


def numbered_examples(lengths: list[int], codes: int = 0) -> Examples:
    """Window i, from 1, has the input, the codes and the target i in all its steps."""
    numbers = np.arange(1, len(lengths) + 1, dtype=np.float32)
    rows = np.repeat(numbers, lengths)
    return Examples(rows[:, None], np.array(lengths, np.int64), numbers[:, None], (rows.astype(np.int32),) * codes)


def epoch_of(batches: TrainingBatches, number: int) -> list[TrainingBatch]:
    return [batches.batch(members) for members in batches.plan(number)]


def numbers_of(epoch: list[TrainingBatch]) -> list[int]:
    return [int(number) for batch in epoch for number in batch.targets.ravel()]


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=80), batch_size=st.integers(1, 20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_an_epoch_has_each_window_once_padded_on_the_right(lengths: list[int], batch_size: int, seed: int) -> None:
    batches = TrainingBatches(numbered_examples(lengths, codes=1), batch_size, seed)
    for number in (1, 2):
        epoch = epoch_of(batches, number)
        assert sorted(numbers_of(epoch)) == list(range(1, len(lengths) + 1))
        for (floats, codes), targets, _ in epoch:
            assert 1 <= len(targets) <= batch_size
            np.testing.assert_array_equal(floats[:, :, 0], codes)
            for steps, target in zip(codes, targets.ravel(), strict=True):
                length = lengths[int(target) - 1]
                assert steps.tolist() == [target] * length + [0] * (len(steps) - length)


def test_epochs_differ_and_each_is_the_same_again_for_its_seed() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return numbers_of(epoch_of(TrainingBatches(numbered_examples([3] * 50), 8, seed), epoch))

    assert order(1, 7) == order(1, 7)
    assert order(1, 7) != order(1, 8)
    assert order(1, 7) != order(2, 7)


def test_windows_of_like_length_are_batched_together() -> None:
    batches = TrainingBatches(numbered_examples([5] * 500 + [100] * 500), 50, 1)
    assert {batch.inputs[0].shape[1] for batch in epoch_of(batches, 1)} == {5, 100}


def test_a_model_of_codes_alone_gets_no_empty_input() -> None:
    codes = numbered_examples([2, 3], codes=2)
    batches = TrainingBatches(codes._replace(inputs=np.empty((5, 0), np.float32)), 8, 1)
    assert [given.dtype for given in epoch_of(batches, 1)[0].inputs] == [np.int32, np.int32]


@given(devices=st.lists(st.integers(0, 4), min_size=1, max_size=60), stride=st.integers(1, 9))
@settings(deadline=None)
def test_an_epoch_takes_every_nth_window_of_each_device(devices: list[int], stride: int) -> None:
    _, numbers = np.unique(devices, return_inverse=True)
    thinning = Thinning(numbers.astype(np.int64), stride)
    for seed in range(3):
        chosen = thinning.choose(np.random.default_rng(seed))
        for device in set(numbers.tolist()):
            windows = np.flatnonzero(numbers == device).tolist()
            places = [windows.index(window) for window in chosen.tolist() if numbers[window] == device]
            assert places == list(range(places[0], len(windows), stride))
            assert places[0] < stride


def test_over_the_epochs_all_windows_have_their_turn() -> None:
    thinning = Thinning(np.zeros(10, np.int64), 3)
    batches = TrainingBatches(numbered_examples([2] * 10), 4, 1, thinning=thinning)
    seen = Counter(number for epoch in range(30) for number in numbers_of(epoch_of(batches, epoch)))
    assert seen.keys() == set(range(1, 11))
    assert 90 <= seen.total() <= 120, "a third of ten windows, in each of thirty epochs"


def test_a_window_at_the_cap_counts_less_and_one_without_a_target_not_at_all() -> None:
    targets = np.array([[125], [124], [np.nan]], np.float32)
    assert window_weights(targets, Recipe(cap=125, cap_weight=0.5)).tolist() == [0.5, 1, 0]


def test_balanced_classes_count_the_same_together() -> None:
    targets = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    weights = window_weights(targets, Recipe(task=Task.CLASSIFICATION, balanced=True))
    np.testing.assert_allclose([weights[:3].sum(), weights[3]], [2, 2], rtol=1e-6)

"""The population stability index of numbers against those that a model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pipeline.core.drift import ENOUGH, HALF_LIFE, Distribution, Drift, distribution, psi

NAN = float("nan")


@st.composite
def pairs_of_shares(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    bins = draw(st.integers(1, 12))
    one, other = (draw(arrays(np.float64, bins, elements=st.floats(0, 1))) + 1e-9 for _ in range(2))
    return one / one.sum(), other / other.sum()


numbers = arrays(np.float32, st.integers(1, 300), elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0, NAN]))


def drift_of(expected: NDArray[np.float32] | Sequence[float], found: NDArray[np.float32] | Sequence[float]) -> float:
    """The index of one thing; what is found comes again and again until it is enough."""
    drift = Drift([distribution("it", np.asarray(expected, np.float32))])
    rows = np.resize(np.asarray(found, np.float32), (max(ENOUGH, len(found)), 1))
    drift.add(rows)
    return drift.psi()["it"]


@given(pairs_of_shares())
def test_the_index_is_zero_for_equal_shares_and_else_positive_and_the_same_both_ways(
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    one, other = pair
    assert psi(one, one) == 0
    assert psi(one, other) >= 0
    assert psi(one, other) == pytest.approx(psi(other, one))
    if np.abs(np.maximum(one, 1e-4) - np.maximum(other, 1e-4)).max() > 1e-3:
        assert psi(one, other) > 0


def test_the_index_of_two_bins_is_that_of_the_formula() -> None:
    expected = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.6 - 0.5) * np.log(0.6 / 0.5)
    assert psi(np.array([0.5, 0.5]), np.array([0.4, 0.6])) == pytest.approx(expected)


@given(numbers)
def test_the_bins_of_a_distribution_hold_all_numbers_once(values: NDArray[np.float32]) -> None:
    found = distribution("it", values)
    assert len(found.shares) == len(found.edges) + 1
    assert list(found.edges) == sorted(set(found.edges))
    assert sum(found.shares) == pytest.approx(found.observed)
    assert found.observed == pytest.approx(float(np.isfinite(values).mean()))


@given(numbers)
def test_what_a_model_was_trained_on_has_not_drifted(values: NDArray[np.float32]) -> None:
    whole = np.tile(values, -(-ENOUGH // len(values)))
    drift = Drift([distribution("it", whole)])
    drift.add(whole[:, None])
    assert drift.psi()["it"] == pytest.approx(0, abs=1e-9)


@given(numbers, st.integers(0, 2**32 - 1))
def test_the_order_of_the_looks_makes_no_difference(values: NDArray[np.float32], seed: int) -> None:
    rows = np.resize(values, (ENOUGH, 1))
    in_order, shuffled = Drift([distribution("it", values)]), Drift([distribution("it", values)])
    in_order.add(rows)
    shuffled.add(np.random.default_rng(seed).permutation(rows))
    assert in_order.psi() == shuffled.psi()


@pytest.mark.parametrize(
    ("changed", "least", "most"),
    [
        (lambda normal: normal, 0, 0.05),
        (lambda normal: normal + 0.1, 0, 0.1),
        (lambda normal: normal + 1, 0.5, 5),
        (lambda normal: normal * 3, 0.25, 5),
        (lambda normal: np.where(np.arange(len(normal)) % 3, normal, NAN), 0.25, 5),
    ],
    ids=["the same", "a tenth of a deviation", "one deviation", "three times as wide", "every third one missing"],
)
def test_the_index_grows_with_the_change(changed: Callable[..., NDArray[np.float32]], least: float, most: float) -> None:
    random = np.random.default_rng(1)
    expected, found = (random.normal(size=4_000).astype(np.float32) for _ in range(2))
    assert least <= drift_of(expected, changed(found)) <= most


@pytest.mark.parametrize("now", [4.0, 6.0, NAN])
def test_a_constant_that_moves_either_way_or_falls_silent_has_drifted(now: float) -> None:
    assert drift_of([5.0] * 100, [5.0] * 100) == 0
    assert drift_of([5.0] * 100, [now] * 100) > 5


def test_a_sensor_that_was_never_observed_has_drifted_when_it_is() -> None:
    assert drift_of([NAN] * 10, [NAN] * 10) == 0
    assert drift_of([NAN] * 10, [1.0] * 10) > 5


def test_nothing_is_said_before_enough_was_seen() -> None:
    drift = Drift([distribution("it", np.arange(10, dtype=np.float32))])
    drift.add(np.zeros((ENOUGH - 1, 1), np.float32))
    assert drift.psi() == {}
    drift.add(np.zeros((1, 1), np.float32))
    assert drift.psi().keys() == {"it"}


def test_what_is_older_counts_less() -> None:
    before, after = np.full((HALF_LIFE, 1), 1, np.float32), np.full((HALF_LIFE, 1), 2, np.float32)
    drift = Drift([distribution("it", after[:, 0])])
    drift.add(before)
    drift.add(after)
    once = drift.psi()["it"]
    for _ in range(20):
        drift.add(after)
    assert once > 1
    assert drift.psi()["it"] < 1e-3


def test_things_with_different_bins_are_told_apart() -> None:
    random = np.random.default_rng(2)
    rows = np.stack([random.normal(size=2_000), np.full(2_000, 3.0), random.integers(0, 2, 2_000)], axis=1).astype(np.float32)
    names = ("wide", "constant", "binary")
    drift = Drift([distribution(name, column) for name, column in zip(names, rows.T, strict=True)])
    rows[:, 1] = 4
    drift.add(rows)
    found = drift.psi()
    assert found["wide"] == pytest.approx(0, abs=1e-9)
    assert found["binary"] == pytest.approx(0, abs=1e-9)
    assert found["constant"] > 5


def test_no_look_at_all_is_no_distribution() -> None:
    with pytest.raises(ValueError, match="nothing to look at"):
        distribution("it", np.empty(0, np.float32))
    assert isinstance(distribution("it", np.array([NAN], np.float32)), Distribution)

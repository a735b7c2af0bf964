"""What a bundle keeps of its training, and how the windows that are scored are compared with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.records import Window
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.contract import Contract, ContractSensor, decode_contract, encode_contract
from pipeline.scoring.drift import BLOCK, DriftWatch
from pipeline.scoring.load import open_scorer
from pipeline.scoring.scorer import Scorer
from tests.support.models import make_contract, save, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = ("temperature", "vibration")
POLICY = session_policy(max_length=20)
ENOUGH = 4 * BLOCK


def windows(seed: int, count: int, shift: float = 0.0, longest: int = 20) -> list[Window]:
    """Windows of one step to `longest`; the temperature is `shift` warmer than usual."""
    random = np.random.default_rng(seed)
    shapes = random.integers(1, longest + 1, count)
    return [
        make_window(random.normal((20 + shift, 0), (5, 0.5), size=(length, 2)), SENSORS, device=f"pump-{number}")
        for number, length in enumerate(shapes.tolist())
    ]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """Of a bundle that was made with a recording."""
    folder = tmp_path_factory.mktemp("drift")
    sensors = [ContractSensor(name) for name in SENSORS]
    return open_scorer(bundle_model(save(sound_model(), folder), folder / "pump", sensors, POLICY, None, windows(0, 1_500)))


def watched(scorer: Scorer, seen: Sequence[Window], alert_above: float | None = 0.25, at_once: int = 100) -> DriftWatch:
    watch = DriftWatch(scorer.contract, alert_above)
    for begin in range(0, len(seen), at_once):
        some = seen[begin : begin + at_once]
        watch.take(some, scorer.score(some).outputs)
    return watch


def outputs_of(seen: Sequence[Window]) -> NDArray[np.float32]:
    return np.zeros((len(seen), 1), np.float32)


def test_a_bundle_keeps_how_sensors_scores_and_lengths_were_distributed(scorer: Scorer) -> None:
    found = {one.name: one for one in scorer.contract.distributions}
    assert list(found) == ["sensor.temperature", "sensor.vibration", "output.rul", "window.length"]
    assert found["sensor.temperature"].mean == pytest.approx(20, abs=0.3)
    assert found["sensor.temperature"].std == pytest.approx(5, abs=0.3)
    assert found["window.length"].mean == pytest.approx(10.5, abs=0.5)
    assert found["window.length"].edges == pytest.approx(range(2, 20, 2), abs=1)
    assert all(one.observed == 1 for one in found.values())


def test_the_distributions_survive_the_contracts_file(scorer: Scorer) -> None:
    assert decode_contract(encode_contract(scorer.contract)) == scorer.contract


def test_a_contract_whose_distributions_are_of_something_else_is_refused(scorer: Scorer) -> None:
    distributions = scorer.contract.distributions
    for wrong in (distributions[1:], (msgspec.structs.replace(distributions[0], edges=()), *distributions[1:])):
        with pytest.raises(ValueError, match="distribution"):
            msgspec.structs.replace(scorer.contract, distributions=wrong)


def test_windows_like_those_of_the_training_have_not_drifted(scorer: Scorer) -> None:
    counts = watched(scorer, windows(1, ENOUGH)).counts
    assert counts.keys() == {*(f"drift_{name}" for name in scorer.contract.things), "drifted"}
    assert max(counts.values()) < 100, "in thousandths"
    assert counts["drifted"] == 0


def test_a_sensor_that_moved_is_named_once_and_its_return_too(scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pipeline.scoring.drift")
    watch = watched(scorer, windows(2, ENOUGH, shift=5))
    assert watch.counts["drift_sensor.temperature"] > 250
    assert watch.counts["drift_sensor.vibration"] < 100
    assert watch.counts["drifted"] == sum(watch.counts[f"drift_{name}"] > 250 for name in scorer.contract.things)
    assert caplog.text.count("sensor.temperature of what is scored differs") == 1

    for begin in range(0, 40 * BLOCK, BLOCK):
        usual = windows(begin, BLOCK)
        watch.take(usual, scorer.score(usual).outputs)
    assert watch.counts["drifted"] == 0
    assert caplog.text.count("sensor.temperature of what is scored is again") == 1


def test_without_a_limit_nothing_has_drifted(scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    watch = watched(scorer, windows(2, ENOUGH, shift=5), alert_above=None)
    assert watch.counts["drift_sensor.temperature"] > 250
    assert (watch.counts["drifted"], caplog.text) == (0, "")


def test_shorter_windows_and_a_silent_sensor_have_drifted(scorer: Scorer) -> None:
    short = watched(scorer, windows(3, ENOUGH, longest=5)).counts
    assert short["drift_window.length"] > 250
    unobserved = [make_window([[20.0, np.nan]] * 9, SENSORS) for _ in range(ENOUGH)]
    assert watched(scorer, unobserved).counts["drift_sensor.vibration"] > 1_000


SEEN = windows(4, 3 * BLOCK + 17)


@given(st.lists(st.integers(1, 300), max_size=20))
def test_it_makes_no_difference_how_windows_are_polled(scorer: Scorer, sizes: list[int]) -> None:
    at_once, by_polls = DriftWatch(scorer.contract, None), DriftWatch(scorer.contract, None)
    at_once.take(SEEN, outputs_of(SEEN))
    rest = SEEN
    for size in (*sizes, len(SEEN)):
        some, rest = rest[:size], rest[size:]
        by_polls.take(some, outputs_of(some))
    assert by_polls.counts == at_once.counts


def test_sensors_in_another_order_and_further_ones_are_found_by_name(scorer: Scorer) -> None:
    seen = windows(5, ENOUGH)
    turned = [
        msgspec.structs.replace(
            window,
            sensors=("pressure", "vibration", "temperature"),
            values=np.hstack([np.ones((window.length, 1), "<f4"), np.frombuffer(window.values, "<f4").reshape(-1, 2)[:, ::-1]]).tobytes(),
        )
        for window in seen
    ]
    one, other = DriftWatch(scorer.contract, None), DriftWatch(scorer.contract, None)
    one.take(seen, outputs_of(seen))
    other.take(turned, outputs_of(turned))
    assert one.counts == other.counts


def test_a_window_that_still_grows_is_passed_over(scorer: Scorer) -> None:
    watch = DriftWatch(scorer.contract, None)
    growing = [msgspec.structs.replace(window, final=False) for window in windows(6, ENOUGH, shift=50)]
    watch.take(growing, outputs_of(growing))
    assert set(watch.counts.values()) == {0}


def test_a_bundle_without_a_recording_is_compared_with_nothing(tmp_path: Path) -> None:
    bundle_model(save(sound_model(), tmp_path), tmp_path / "pump", [ContractSensor(name) for name in SENSORS], POLICY)
    contract: Contract = read_bundle(tmp_path / "pump").contract
    watch = DriftWatch(contract, 0.25)
    watch.take(SEEN, outputs_of(SEEN))
    assert contract.distributions == make_contract(POLICY).distributions == ()
    assert watch.counts == {}

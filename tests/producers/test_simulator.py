"""The simulated fleet: the same for the same seed, as faulty as asked, and wearing out in a way a model can learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby, islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigurationError
from pipeline.records import Reading
from producers.simulator.fleet import deliveries, readings
from producers.simulator.spec import HOUR_MS, MINUTE_MS, SENSORS, Faults, FleetSpec

QUIET = FleetSpec(devices=6, duration_ms=HOUR_MS, faults=Faults.none())


def with_faults(**faults: float) -> FleetSpec:
    return replace(QUIET, devices=10, faults=replace(QUIET.faults, **faults))  # type: ignore[arg-type]


def by_device(fleet: Iterable[Reading]) -> dict[str, list[Reading]]:
    devices = defaultdict(list)
    for reading in fleet:
        devices[reading.device].append(reading)
    return dict(devices)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_a_seed_gives_one_fleet_and_another_seed_another(seed: int) -> None:
    spec = FleetSpec(devices=3, seed=seed, duration_ms=5 * MINUTE_MS)
    assert list(readings(spec)) == list(readings(spec))
    assert list(readings(spec)) != list(readings(replace(spec, seed=seed + 1)))


@given(
    devices=st.integers(1, 5),
    period_ms=st.integers(1, 10_000),
    jitter=st.floats(0, 0.99),
    rates=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_asked_readings_come_in_order_of_arrival_and_are_good(
    devices: int, period_ms: int, jitter: float, rates: list[float]
) -> None:
    gap, burst, disorder, duplicate, bad_clock, dying = rates
    faults = Faults(
        gap_rate=gap, burst_rate=burst, disorder_rate=disorder, duplicate_rate=duplicate, bad_clock_share=bad_clock, dying_share=dying
    )
    spec = FleetSpec(devices=devices, duration_ms=HOUR_MS, period_ms=period_ms, jitter=jitter, faults=faults)
    fleet = list(islice(readings(spec), 500))
    assert all(earlier.arrival <= later.arrival for earlier, later in pairwise(fleet))  # type: ignore[operator]
    assert all(reading.time >= 0 and reading.values and set(reading.values) <= set(SENSORS) for reading in fleet)


def test_without_faults_event_times_of_a_device_only_rise_and_nothing_is_doubled() -> None:
    for fleet in by_device(readings(QUIET)).values():
        assert all(earlier.time < later.time for earlier, later in pairwise(fleet))


def test_work_and_rest_can_be_told_apart_by_a_gap() -> None:
    spec = with_faults(gap_rate=0.05)
    intervals = [later.time - earlier.time for fleet in by_device(readings(spec)).values() for earlier, later in pairwise(fleet)]
    assert max(interval for interval in intervals if interval < spec.rest_ms[0]) <= spec.longest_silence_ms
    lengths = session_lengths(spec)
    assert all(1 <= length <= spec.session_readings[1] for length in lengths)
    assert len(set(lengths)) > 10


def session_lengths(spec: FleetSpec) -> list[int]:
    lengths = []
    for fleet in by_device(readings(spec)).values():
        length = 1
        for earlier, later in pairwise(fleet):
            if later.time - earlier.time >= spec.rest_ms[0]:
                lengths.append(length)
                length = 0
            length += 1
    return lengths


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_duplicates_come_at_the_asked_rate(rate: float) -> None:
    fleet = list(readings(with_faults(duplicate_rate=rate)))
    distinct = {(reading.device, reading.time) for reading in fleet}
    assert len(fleet) / len(distinct) - 1 == pytest.approx(rate, rel=0.15)


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_readings_are_overtaken_at_the_asked_rate(rate: float) -> None:
    fleet = by_device(readings(with_faults(disorder_rate=rate)))
    overtaken = sum(later.time < earlier.time for device in fleet.values() for earlier, later in pairwise(device))
    assert overtaken / sum(map(len, fleet.values())) == pytest.approx(rate, rel=0.25)


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_gaps_come_at_the_asked_rate(rate: float) -> None:
    spec = with_faults(gap_rate=rate)
    intervals = [later.time - earlier.time for fleet in by_device(readings(spec)).values() for earlier, later in pairwise(fleet)]
    working = [interval for interval in intervals if interval < spec.rest_ms[0]]
    gaps = [interval for interval in working if interval >= spec.faults.gap_ms]
    assert len(gaps) / len(working) == pytest.approx(rate, rel=0.2)


def test_a_burst_arrives_at_once_and_in_order() -> None:
    spec = with_faults(burst_rate=0.02)
    held = [reading.arrival - reading.time for reading in readings(spec) if reading.arrival is not None]
    late = sum(delay >= spec.period_ms for delay in held)
    assert late / len(held) == pytest.approx(0.02 * (spec.faults.burst_readings - 1), rel=0.3)


def test_the_asked_share_of_devices_has_a_bad_clock_for_a_while() -> None:
    fleet = by_device(readings(with_faults(bad_clock_share=0.4)))
    errors = {device: [reading.time - (reading.arrival or 0) for reading in series] for device, series in fleet.items()}
    wrong = {device: [error for error in series if abs(error) > HOUR_MS] for device, series in errors.items()}
    assert sorted(np.sign(series[0]) for series in wrong.values() if series) == [-1, -1, 1, 1]
    assert all(abs(errors[device][0]) < HOUR_MS and abs(errors[device][-1]) < HOUR_MS for device in fleet)


def test_the_asked_share_of_devices_falls_silent() -> None:
    spec = with_faults(dying_share=0.3)
    end_ms = spec.start_ms + HOUR_MS
    silent = [device for device, series in by_device(readings(spec)).items() if series[-1].time < end_ms - 10 * MINUTE_MS]
    assert len(silent) == 3


def test_a_fault_in_the_transport_does_not_change_what_the_machines_do() -> None:
    def steps(spec: FleetSpec) -> set[tuple[str, int]]:
        return {(reading.device, reading.time) for reading in readings(spec)}

    assert steps(with_faults(duplicate_rate=0.5, disorder_rate=0.2, burst_rate=0.1)) == steps(with_faults())


def test_some_machines_wear_out_and_some_do_not() -> None:
    worst: dict[str, float] = defaultdict(float)
    for delivery in deliveries(FleetSpec()):
        worst[delivery.reading.device] = max(worst[delivery.reading.device], delivery.wear)
    assert len(worst) == 24
    assert 5 <= sum(wear == 1 for wear in worst.values()) <= 19
    assert sum(wear < 0.8 for wear in worst.values()) >= 5


def test_a_worn_out_machine_is_overhauled() -> None:
    wear = [delivery.wear for delivery in deliveries(replace(QUIET, devices=1, life_ms=(10 * MINUTE_MS, 10 * MINUTE_MS)))]
    drops = [(earlier, later) for earlier, later in pairwise(wear) if later < earlier]
    assert drops
    assert all(earlier > 0.9 and later < 0.1 for earlier, later in drops)


def test_wear_can_be_learned_from_windows_of_other_devices() -> None:
    train, test = (window_features(FleetSpec(devices=12, seed=seed)) for seed in (1, 2))
    weights, *_ = np.linalg.lstsq(train[0], train[1], rcond=None)
    residual = test[1] - test[0] @ weights
    assert 1 - residual.var() / test[1].var() > 0.7


def window_features(spec: FleetSpec) -> tuple[np.ndarray, np.ndarray]:
    """(features, last wear) of each four minutes with at least 20 readings: spread of vibration, mean current, last temperature."""
    rows, wears = [], []
    ordered = sorted(deliveries(replace(spec, faults=Faults.none())), key=lambda delivery: (delivery.reading.device, delivery.reading.time))
    for _, series in groupby(
        ordered, key=lambda delivery: (delivery.reading.device, delivery.wear == 1, delivery.reading.time // (4 * MINUTE_MS))
    ):
        window = list(series)
        columns = {sensor: [float(d.reading.values[sensor] or 0) for d in window if sensor in d.reading.values] for sensor in SENSORS}
        if len(window) >= 20:
            rows.append([1.0, np.std(columns["vibration"]), np.mean(columns["current"]), columns["temperature"][-1]])
            wears.append(window[-1].wear)
    return np.array(rows), np.array(wears)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"devices": 0}, "devices = 0"),
        ({"period_ms": 0}, "period_ms = 0"),
        ({"jitter": 1.0}, "jitter = 1.0"),
        ({"observed": 1.5}, "observed = 1.5"),
        ({"duration_ms": 0}, "duration_ms = 0"),
        ({"start_ms": -1}, "start_ms = -1"),
        ({"session_readings": (5, 4)}, "session_readings"),
        ({"rest_ms": (5_000, 9_000)}, "no rest can be told from work"),
    ],
)
def test_a_spec_that_makes_no_fleet_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        replace(FleetSpec(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"gap_rate": 1.1}, {"dying_share": -0.1}, {"burst_readings": 1}, {"clock_error_ms": -1}])
def test_faults_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(change))):
        Faults(**change)  # type: ignore[arg-type]

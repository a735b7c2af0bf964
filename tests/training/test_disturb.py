"""A recording is damaged as asked, the same way each time, and each device by its own chance."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigurationError
from pipeline.records import Reading
from pipeline.training.disturb import Disturbance, disturbed


def readings(devices: int = 5, steps: int = 400) -> list[Reading]:
    return [
        Reading(f"pump-{device}", 1_000 * step, {"x": 1.0 + step, "y": float(device), "mode": "on"})
        for step in range(steps)
        for device in range(devices)
    ]


def left(**how: float) -> list[Reading]:
    return list(disturbed(readings(), Disturbance(**how)))  # type: ignore[arg-type]


def test_without_disturbance_nothing_changes() -> None:
    assert left() == readings()


def test_a_share_of_the_readings_is_lost_and_the_others_are_as_they_were() -> None:
    found = left(drop=0.3)
    assert len(found) / len(readings()) == pytest.approx(0.7, abs=0.03)
    remaining = iter(readings())
    assert all(reading in remaining for reading in found), "they keep their order"


def test_with_a_greater_share_more_is_lost_of_the_same() -> None:
    few, many = left(drop=0.5), left(drop=0.2)
    assert all(reading in many for reading in few)


def test_a_share_of_the_values_is_lost() -> None:
    values = sum(len(reading.values) for reading in left(blank=0.4))
    assert values / (3 * len(readings())) == pytest.approx(0.6, abs=0.03)
    assert all(reading.values for reading in left(blank=0.9)), "a reading without values is lost too"


def test_a_sensor_that_is_out_is_out_from_the_first_reading_to_the_last() -> None:
    found = left(sensors_out=0.5)
    per_device = {device: {frozenset(r.values) for r in found if r.device == device} for device in {r.device for r in readings()}}
    assert all(len(kinds) <= 1 for kinds in per_device.values())
    assert len({kind for kinds in per_device.values() for kind in kinds}) > 1


def test_times_move_by_at_most_the_jitter() -> None:
    moves = [after.time - before.time for before, after in zip(readings(), left(jitter_ms=100), strict=True)]
    assert max(map(abs, moves)) <= 100
    assert len(set(moves)) > 100


def test_equal_seeds_do_the_same_and_others_something_else() -> None:
    assert left(drop=0.5, jitter_ms=50) == left(drop=0.5, jitter_ms=50)
    assert left(drop=0.5) != left(drop=0.5, seed=2)


def test_a_device_is_damaged_alike_whatever_others_there_are() -> None:
    how = Disturbance(drop=0.3, blank=0.2, sensors_out=0.3, jitter_ms=9)
    alone = [reading for reading in readings() if reading.device == "pump-3"]
    assert list(disturbed(alone, how)) == [reading for reading in disturbed(readings(), how) if reading.device == "pump-3"]


@pytest.mark.parametrize("how", [{"drop": 1.0}, {"blank": -0.1}, {"sensors_out": 2.0}, {"jitter_ms": -1}])
def test_what_is_no_share_is_refused(how: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(how))):
        Disturbance(**how)  # type: ignore[arg-type]

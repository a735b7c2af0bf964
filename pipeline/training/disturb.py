"""Seeded damage to a recording: readings in, readings out. For training with gaps, and for measuring how a model takes them.

What happens to a device depends on the seed and its own readings only, not on other devices. Knows neither windows nor a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from pipeline.errors import ConfigurationError
from pipeline.records import Reading


@dataclass(frozen=True)
class Disturbance:
    """What happens to a recording. Raises `ConfigurationError` for shares that are none."""

    drop: float = 0.0  # share of the readings that is lost
    blank: float = 0.0  # share of the values that is lost
    sensors_out: float = 0.0  # share of the sensors of all devices that is lost whole
    jitter_ms: int = 0  # event times move by at most this, either way; a label of an exact time is then of no step
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("drop", "blank", "sensors_out"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigurationError(f"{name} = {getattr(self, name)}: must be a share, from 0 to less than 1")
        if self.jitter_ms < 0:
            raise ConfigurationError(f"jitter_ms = {self.jitter_ms}: must not be negative")


def disturbed(readings: Iterable[Reading], disturbance: Disturbance) -> Iterator[Reading]:
    """What is left of the readings, in their order. A reading of which no value is left is lost too."""
    devices: dict[str, _Device] = {}
    for reading in readings:
        device = devices.get(reading.device) or devices.setdefault(reading.device, _Device(reading.device, disturbance))
        left = device.left_of(reading)
        if left is not None:
            yield left


class _Device:
    """One device's own chance."""

    def __init__(self, name: str, disturbance: Disturbance) -> None:
        self._name = name
        self._disturbance = disturbance
        self._random = np.random.default_rng([disturbance.seed, _number(name)])
        self._out: dict[str, bool] = {}

    def left_of(self, reading: Reading) -> Reading | None:
        wanted = self._disturbance
        # Each reading draws the same numbers, whatever becomes of it: with a higher share more is lost of the same.
        dropped, jitter, *blanks = self._random.random(2 + len(reading.values)).tolist()
        if dropped < wanted.drop:
            return None
        values = {
            sensor: value
            for (sensor, value), blank in zip(reading.values.items(), blanks, strict=True)
            if blank >= wanted.blank and not self._is_out(sensor)
        }
        if reading.values and not any(value is not None for value in values.values()):
            return None
        time = reading.time + round((2 * jitter - 1) * wanted.jitter_ms)
        return msgspec.structs.replace(reading, time=time, values=values)

    def _is_out(self, sensor: str) -> bool:
        out = self._out.get(sensor)
        if out is None:
            chance = np.random.default_rng([self._disturbance.seed, _number(self._name), _number(sensor)]).random()
            out = self._out[sensor] = bool(chance < self._disturbance.sensors_out)
        return out


def _number(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")

"""One machine: sessions of work with rests between them, a hidden wear, and sensors that respond to both.

Wear is working time over the machine's life, from 0 (new) to 1 (worn out); a machine worn out by the end of a session is
overhauled in the rest that follows and begins another life. What wear does to the sensors:

- temperature: rises from ambient towards a level set by load and wear, with a time constant, so a short session never
  shows the level and a model must look at the course;
- vibration: the spread grows with wear, the mean hardly, so a single reading says little and a window much;
- current: drifts up with wear, on top of load and of an offset of each machine that says nothing about wear.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from producers.simulator.spec import FleetSpec

AMBIENT_C = 22.0
WARM_UP_MS = 45_000  # time constant of the temperature
DUTY_CYCLE_MS = 40_000  # load swings within a session with this period


class Sample(NamedTuple):
    """What a machine measured: true time in ms, the sensors observed, and the wear they do not show."""

    time: int
    values: dict[str, float]
    wear: float


class Machine:
    """Simulates one machine of the fleet; all randomness comes from `random`."""

    def __init__(self, spec: FleetSpec, random: Random) -> None:
        self._spec = spec
        self._random = random
        self._current_offset_a = random.gauss(0, 0.3)
        self._worked_ms = 0.0
        self._life_ms = 1.0
        self._begin_life(used=random.uniform(0, 0.25))

    def _begin_life(self, used: float) -> None:
        shortest, longest = self._spec.life_ms
        self._life_ms = math.exp(self._random.uniform(math.log(shortest), math.log(longest)))
        self._worked_ms = used * self._life_ms

    @property
    def wear(self) -> float:
        """From 0 to 1."""
        return min(1.0, self._worked_ms / self._life_ms)

    def sessions(self) -> Iterator[list[Sample]]:
        """Sessions of samples in order of time, until the fleet's end; for ever if it has none."""
        spec, random = self._spec, self._random
        end_ms = math.inf if spec.duration_ms is None else spec.start_ms + spec.duration_ms
        start_ms = spec.start_ms + round(random.uniform(0, spec.rest_ms[0]))
        while start_ms < end_ms:
            session = self._session(start_ms)
            start_ms = session[-1].time + random.randint(*spec.rest_ms)
            yield [sample for sample in session if sample.time < end_ms]
            if self.wear >= 1:
                self._begin_life(used=random.uniform(0, 0.05))

    def _session(self, start_ms: int) -> list[Sample]:
        random = self._random
        base_load = random.uniform(0.4, 0.9)
        phase = random.uniform(0, 2 * math.pi)
        time, temperature = start_ms, AMBIENT_C + random.gauss(0, 1)
        samples: list[Sample] = []
        for _ in range(random.randint(*self._spec.session_readings)):
            load = base_load + 0.1 * math.sin(phase + 2 * math.pi * (time - start_ms) / DUTY_CYCLE_MS)
            samples.append(Sample(time, self._observed(load, temperature), self.wear))
            interval_ms = self._interval_ms()
            level = AMBIENT_C + 25 * load + 25 * self.wear
            temperature += (level - temperature) * (1 - math.exp(-interval_ms / WARM_UP_MS))
            self._worked_ms += interval_ms
            time += interval_ms
        return samples

    def _interval_ms(self) -> int:
        spec, random = self._spec, self._random
        interval_ms = round(spec.period_ms * random.uniform(1 - spec.jitter, 1 + spec.jitter))
        if random.random() < spec.faults.gap_rate:
            interval_ms += spec.faults.gap_ms
        return max(1, interval_ms)

    def _observed(self, load: float, temperature: float) -> dict[str, float]:
        random, wear = self._random, self.wear
        values = {
            "temperature": round(temperature + random.gauss(0, 0.5), 2),
            "vibration": round(0.1 + 0.02 * load + random.gauss(0, 0.01 + 0.09 * wear), 4),
            "current": round(4 + 3 * load + 1.2 * wear + self._current_offset_a + random.gauss(0, 0.15), 3),
        }
        carried = [sensor for sensor in values if random.random() < self._spec.observed] or [random.choice(list(values))]
        return {sensor: values[sensor] for sensor in carried}

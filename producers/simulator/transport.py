"""The way from a machine to the log: wrong clocks, bursts, overtaking, duplicates, silence for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from random import Random
from typing import NamedTuple

from pipeline.records import Reading
from producers.simulator.machine import Sample
from producers.simulator.spec import MAX_DELAY_PERIODS, MAX_LATENCY_MS, FleetSpec


class Delivery(NamedTuple):
    """A reading as it reaches the log, with the wear it does not show."""

    arrival: int
    reading: Reading
    wear: float
    repeated: bool  # the second of a reading sent twice


@dataclass(frozen=True)
class Fate:
    """What strikes one device once: true times in ms; None: never."""

    clock_error_ms: int = 0
    clock_wrong_from: int | None = None
    clock_right_from: int | None = None
    dies_at: int | None = None

    def clock_at(self, time: int) -> int:
        """What the device's clock shows at a true time."""
        if self.clock_wrong_from is None or self.clock_right_from is None or not self.clock_wrong_from <= time < self.clock_right_from:
            return time
        return time + self.clock_error_ms


def fates(spec: FleetSpec) -> list[Fate]:
    """The fate of each device, by index; exactly the asked shares of the fleet are struck (rounded)."""
    random = Random(f"{spec.seed}:fates")
    wrong = {device: place for place, device in enumerate(_chosen(spec, spec.faults.bad_clock_share, random))}
    dying = set(_chosen(spec, spec.faults.dying_share, random))
    return [_fate(spec, random, wrong.get(device), device in dying) for device in range(spec.devices)]


def _chosen(spec: FleetSpec, share: float, random: Random) -> list[int]:
    return random.sample(range(spec.devices), round(share * spec.devices))


def _fate(spec: FleetSpec, random: Random, wrong_place: int | None, dying: bool) -> Fate:
    def within(least: float, most: float) -> int:
        return spec.start_ms + round(spec.horizon_ms * random.uniform(least, most))

    wrong_from, right_from, dies_at = within(0.1, 0.4), within(0.5, 0.7), within(0.4, 0.8)
    # Never below the epoch: the wire takes such times, but an arrival made of them could not be a header.
    error_ms = (
        spec.faults.clock_error_ms if wrong_place is None or wrong_place % 2 == 0 else -min(spec.faults.clock_error_ms, spec.start_ms)
    )
    return Fate(
        clock_error_ms=error_ms,
        clock_wrong_from=None if wrong_place is None else wrong_from,
        clock_right_from=None if wrong_place is None else right_from,
        dies_at=dies_at if dying else None,
    )


class Transport:
    """Delivers the sessions of one device; all randomness comes from `random`."""

    def __init__(self, spec: FleetSpec, device: str, fate: Fate, random: Random) -> None:
        self._spec = spec
        self._device = device
        self._fate = fate
        self._random = random

    def deliver(self, session: Sequence[Sample]) -> Iterator[Delivery]:
        """Deliveries of a session in order of arrival; all of them arrive before the next session can begin."""
        alive = [sample for sample in session if self._fate.dies_at is None or sample.time < self._fate.dies_at]
        deliveries: list[Delivery] = []
        for sample, sent_at in zip(alive, self._sent_times(alive), strict=True):
            arrival = sent_at + self._latency_ms()
            reading = Reading(self._device, self._fate.clock_at(sample.time), {**sample.values}, arrival)
            deliveries.append(Delivery(arrival, reading, sample.wear, repeated=False))
            if self._random.random() < self._spec.faults.duplicate_rate:
                again = arrival + 1 + self._latency_ms()
                deliveries.append(Delivery(again, Reading(reading.device, reading.time, reading.values, again), sample.wear, repeated=True))
        yield from sorted(deliveries, key=attrgetter("arrival"))

    def _latency_ms(self) -> int:
        return self._random.randrange(min(MAX_LATENCY_MS, max(1, self._spec.period_ms // 4)))

    def _sent_times(self, session: Sequence[Sample]) -> Iterator[int]:
        faults, random = self._spec.faults, self._random
        burst_until, burst_sent_at = -1, 0
        for index, sample in enumerate(session):
            if index > burst_until and random.random() < faults.burst_rate:
                burst_until = min(index + faults.burst_readings, len(session)) - 1
                burst_sent_at = session[burst_until].time
            if index <= burst_until:
                yield burst_sent_at
            elif random.random() < faults.disorder_rate:
                yield sample.time + self._overtaken_ms()
            else:
                yield sample.time

    def _overtaken_ms(self) -> int:
        """Longer than to the next reading (unless a gap or a rest follows)."""
        spec = self._spec
        return round(spec.period_ms * self._random.uniform(min(1.5 + spec.jitter, MAX_DELAY_PERIODS - 0.5), MAX_DELAY_PERIODS))

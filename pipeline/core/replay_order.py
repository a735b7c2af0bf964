"""The order in which a recording is replayed, and the arrival of each of its readings. Pure: no files, no broker.

A recording either has an arrival in every reading or in none: a mixture has no order that could be explained, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.errors import ConfigurationError
from pipeline.records import Reading


def arrivals(readings: Iterable[Reading]) -> Iterator[tuple[int, Reading]]:
    """Pairs each reading with its arrival, in the order given.

    The arrival is the recorded one, else the running maximum of event time; never below 0, since a header cannot carry that.
    Raises `ConfigurationError` for a recording in which only some readings have an arrival.

    >>> [arrival for arrival, _ in arrivals(Reading("pump-7", time, {}) for time in (5, 3, 9))]
    [5, 5, 9]
    """
    latest = 0
    recorded = None
    for number, reading in enumerate(readings, start=1):
        arrival = reading.arrival
        if recorded is None:
            recorded = arrival is not None
        if (arrival is not None) != recorded:
            raise _mixed(number, recorded)
        if arrival is None:
            arrival = latest = max(latest, reading.time)
        yield arrival, reading


def _mixed(number: int, recorded: bool) -> ConfigurationError:
    here, before = ("no arrival", "have one") if recorded else ("an arrival", "have none")
    return ConfigurationError(f"reading {number} has {here}, those before {before}: give all readings an arrival, or none")


def recorded_arrival(reading: Reading) -> int:
    """The recorded arrival, as the key of a stable sort."""
    if reading.arrival is None:
        raise ConfigurationError(f"a reading of {reading.device} has no arrival, others have one: give all readings an arrival, or none")
    return reading.arrival

"""Which readings of a recording are replayed, and how often. Pure: readings in, readings out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from pipeline.core.replay_order import arrivals
from pipeline.errors import ConfigurationError
from pipeline.records import Reading

LOOKED_AT = 10_000  # readings in which a configured sensor must have a value


@dataclass(frozen=True)
class Selection:
    """Readings that arrived from `from_ms` on and before `to_ms`, of these devices, each `copies` times.

    The first copy keeps its device's name, the n-th is of a device `<name>~n`: a fleet n times as large, for load.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    devices: frozenset[str] | None = None
    copies: int = 1

    def of(self, readings: Iterable[Reading]) -> Iterator[Reading]:
        """The selected readings of a recording in replay order, each with the arrival that it has in the whole recording.

        >>> [copy.device for copy in Selection(to_ms=3, copies=2).of([Reading("a", 1, {}), Reading("b", 5, {})])]
        ['a', 'a~2']
        """
        for arrival, reading in arrivals(readings):
            if self.to_ms is not None and arrival >= self.to_ms:
                return
            if (self.from_ms is not None and arrival < self.from_ms) or (self.devices is not None and reading.device not in self.devices):
                continue
            for copy in range(1, self.copies + 1):
                device = reading.device if copy == 1 else f"{reading.device}~{copy}"
                yield msgspec.structs.replace(reading, device=device, arrival=arrival)


def with_known_sensor(readings: Iterable[Reading], sensors: Collection[str]) -> Iterator[Reading]:
    """The readings as they are. Raises `ConfigurationError`, at the call, where no configured sensor has a value in the first ones."""
    known, remaining, head = frozenset(sensors), iter(readings), list[Reading]()
    for reading in islice(remaining, LOOKED_AT):
        head.append(reading)
        if any(value is not None and sensor in known for sensor, value in reading.values.items()):
            return chain(head, remaining)
    if not head:
        return iter(())
    found = sorted({sensor for reading in head for sensor in reading.values})
    raise ConfigurationError(
        f"the recording has {', '.join(found) or 'no values'}, and none of [sensors] names ({', '.join(sensors)}): all of it would be"
        " rejected as empty. Is it the right configuration? --force replays it all the same"
    )

"""The arrival clock of a partition: the highest arrival seen, from the log alone.

The arrival of a record is its `arrival` header where a replay set it, else the record's timestamp. Who moved the clock
last decides about ticks: a replayed stream brings its own time, and the time of the day must not mix with it.
"""

from __future__ import annotations

import msgspec


class ArrivalClock(msgspec.Struct):
    """`now` is milliseconds since the epoch, None before the first record."""

    now: int | None = None
    from_header: bool = False  # last moved by a header or a reset

    def move(self, arrival: int, from_header: bool) -> None:
        """Moves forward to `arrival`; never back."""
        if self.now is None or arrival > self.now:
            self.now = arrival
            self.from_header = from_header

    def reset(self, arrival: int) -> None:
        """Becomes `arrival`, even if that is lower."""
        self.now = arrival
        self.from_header = True

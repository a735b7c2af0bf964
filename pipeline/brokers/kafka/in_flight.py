"""A bound on what was handed to the producer and is not acknowledged yet. Shared by two threads; knows no Kafka.

The library's own buffer has none: with the broker away it grows until the process dies.
"""

from __future__ import annotations

import threading


class InFlight:
    """Counts records and bytes; `enter` waits while there are too many. One thread enters, another one leaves."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        self._changed = threading.Condition()

    @property
    def records(self) -> int:
        """How many records are in flight."""
        return self._records

    def enter(self, size: int, timeout_s: float) -> bool:
        """Waits for room and takes it; False when there was none in time. A record alone always has room."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size), timeout_s):
                return False
            self._records += 1
            self._bytes += size
            return True

    def leave(self, size: int) -> None:
        """Gives the room of one record back."""
        with self._changed:
            self._records -= 1
            self._bytes -= size
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Waits until nothing is in flight; False when something still was in the end."""
        with self._changed:
            return self._changed.wait_for(lambda: self._records == 0, timeout_s)

    def _has_room(self, size: int) -> bool:
        return self._records == 0 or (self._records < self._max_records and self._bytes + size <= self._max_bytes)

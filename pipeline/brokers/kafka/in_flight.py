"""A bound on what was handed to the producer and is not acknowledged yet. Shared by two threads; knows no Kafka.

The library's own buffer has none: with the broker away it grows until the process dies.
"""

from __future__ import annotations

import threading


class InFlight:
    """Counts records and bytes; `enter` waits while there are too many. One thread enters, another one lets them leave.

    Once a record has failed nobody waits any longer: what is still in flight may never be decided.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        self._failure: str | None = None
        self._changed = threading.Condition()

    @property
    def records(self) -> int:
        """How many records are in flight."""
        return self._records

    @property
    def failure(self) -> str | None:
        """Why the first record that failed did."""
        return self._failure

    def enter(self, size: int, timeout_s: float) -> bool:
        """Waits for room and takes it; False when there is none in time or a record has failed. One alone always has room."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or self._has_room(size), timeout_s)
            if self._failure is not None or not self._has_room(size):
                return False
            self._records += 1
            self._bytes += size
            return True

    def leave(self, size: int, failure: str | None = None) -> None:
        """Gives the room of one record back; `failure` says why it is not in the log."""
        with self._changed:
            self._records -= 1
            self._bytes -= size
            self._failure = self._failure or failure
            self._changed.notify_all()

    def wait_until_over(self, timeout_s: float) -> bool:
        """Waits until nothing is in flight or a record has failed; False when neither is in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._failure is not None or self._records == 0, timeout_s)

    def _has_room(self, size: int) -> bool:
        return self._records == 0 or (self._records < self._max_records and self._bytes + size <= self._max_bytes)

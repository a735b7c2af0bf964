"""Alerts as lines of JSON on standard output."""

from __future__ import annotations

import sys
import threading

from pipeline.destinations.protocol import NotDelivered, Parcel


class Console:
    """A `pipeline.destinations.protocol.Destination`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def deliver(self, parcel: Parcel) -> None:
        with self._lock:
            try:
                sys.stdout.buffer.write(parcel.body + b"\n")
                sys.stdout.buffer.flush()
            except (OSError, ValueError) as error:
                raise NotDelivered(f"standard output cannot be written: {error}") from None

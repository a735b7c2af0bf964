"""A step: everything one device said for one event time. Rows are packed float32, the form they have on the wire."""

from __future__ import annotations

import math
import struct

import msgspec


class Step(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One step of a device. `row` is sensors x 4 bytes, little-endian float32, NaN = unobserved."""

    time: int
    row: bytes
    first_offset: int
    last_offset: int
    first_arrival: int
    last_arrival: int
    merged: int = 0  # readings that merged into it


class RowFormat:
    """Packs and merges rows of a fixed number of sensors."""

    def __init__(self, sensors: int) -> None:
        layout = struct.Struct(f"<{sensors}f")
        self.pack = layout.pack
        self.unpack = layout.unpack
        self.unobserved: bytes = layout.pack(*[math.nan] * sensors)

    def merge(self, earlier: bytes, later: bytes) -> bytes:
        """Of each sensor the later value, but an unobserved one never overwrites.

        >>> rows = RowFormat(2)
        >>> rows.unpack(rows.merge(rows.pack(1.0, 2.0), rows.pack(math.nan, 3.0)))
        (1.0, 3.0)
        """
        # NaN is the only value that differs from itself.
        return self.pack(*[new if new == new else old for old, new in zip(self.unpack(earlier), self.unpack(later), strict=True)])

    def merge_steps(self, earlier: Step, later: Step) -> Step:
        """The step that two readings with the same event time make; `later` is the later one in the log."""
        return Step(
            time=earlier.time,
            row=self.merge(earlier.row, later.row),
            first_offset=min(earlier.first_offset, later.first_offset),
            last_offset=max(earlier.last_offset, later.last_offset),
            first_arrival=min(earlier.first_arrival, later.first_arrival),
            last_arrival=max(earlier.last_arrival, later.last_arrival),
            merged=earlier.merged + later.merged + 1,
        )

"""The last readings of one device, in the order of the log, in a ring of packed columns. No codec, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

FIRST_CAPACITY = 32
WHOLE = -1  # the index of a reading that is a record of its own


class Shown(msgspec.Struct, frozen=True):
    """Readings as columns, by event time: milliseconds, one list of values for each sensor (null: unobserved), and a flag."""

    times: list[int]
    values: list[list[float | None]]
    refused: list[bool]


class Readings:
    """At most `most` readings; the oldest go first."""

    def __init__(self, sensors: int, most: int) -> None:
        self._sensors = sensors
        self._most = most
        self._taken = 0
        self._allocate(min(FIRST_CAPACITY, most))

    def __len__(self) -> int:
        return min(self._taken, len(self._times))

    def add(self, time: int, row: bytes, offset: int, index: int = WHOLE, refused: bool = False) -> None:
        """One reading; `row` is sensors x 4 bytes of float32."""
        if self._taken == len(self._times) < self._most:
            self._grow()
        place = self._taken % len(self._times)
        self._times[place] = time
        self._rows[place] = np.frombuffer(row, "<f4")
        self._offsets[place] = offset
        self._indices[place] = index
        self._refused[place] = refused
        self._taken += 1

    def refuse(self, offset: int, index: int = WHOLE) -> None:
        """Marks the reading that was this one in the log, if it is still here."""
        size = len(self)
        self._refused[:size] |= (self._offsets[:size] == offset) & (self._indices[:size] == index)

    def steps_after(self, time: int | None) -> tuple[int, int | None]:
        """Number of different event times after `time` (None: of all) that were not refused, and the first of them."""
        size = len(self)
        wanted = ~self._refused[:size]
        if time is not None:
            wanted &= self._times[:size] > time
        kept = set(self._times[:size][wanted].tolist())  # sorting is slower
        return (len(kept), min(kept)) if kept else (0, None)

    def shown(self, since: int | None = None) -> Shown:
        """All of them, or those from an event time on, in the order of event time."""
        size = len(self)
        order = np.argsort(self._times[:size], kind="stable")
        if since is not None:
            order = order[self._times[order] >= since]
        columns = [_with_none(self._rows[order, sensor]) for sensor in range(self._sensors)]
        return Shown(self._times[order].tolist(), columns, self._refused[order].tolist())

    def _allocate(self, capacity: int) -> None:
        self._times: npt.NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._offsets: npt.NDArray[np.int64] = np.zeros(capacity, np.int64)
        self._indices: npt.NDArray[np.int32] = np.zeros(capacity, np.int32)
        self._rows: npt.NDArray[np.float32] = np.zeros((capacity, self._sensors), np.float32)
        self._refused: npt.NDArray[np.bool_] = np.zeros(capacity, np.bool_)

    def _grow(self) -> None:
        size = len(self._times)
        times, offsets, indices, rows, refused = self._times, self._offsets, self._indices, self._rows, self._refused
        self._allocate(min(2 * size, self._most))
        self._times[:size], self._offsets[:size], self._indices[:size] = times, offsets, indices
        self._rows[:size], self._refused[:size] = rows, refused


def _with_none(column: npt.NDArray[np.float32]) -> list[float | None]:
    values: Sequence[float] = column.tolist()
    return [value if value == value else None for value in values]

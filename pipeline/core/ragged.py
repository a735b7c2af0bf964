"""Windows of different lengths, one below the other in one array, so that a whole poll costs a few array operations.

Knows neither channels nor padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.records import Window

Number = TypeVar("Number", bound=np.number)

Fill = Literal["zero", "forward"] | float
"""What an unobserved value becomes, after scaling: 0, the sensor's last observed value in the window (else 0), or a number."""


@dataclass(frozen=True)
class Ragged:
    """Windows one below the other: window i has `lengths[i]` rows, at least one."""

    values: NDArray[np.float32]  # rows x sensors, NaN = unobserved
    times: NDArray[np.int64]  # rows, ms
    lengths: NDArray[np.int64]  # windows
    positions: NDArray[np.int64]  # windows: number of the first step in its episode, from 1
    episode_starts: NDArray[np.int64]  # windows, ms

    @cached_property
    def observed(self) -> NDArray[np.bool_]:
        """Rows x sensors."""
        return ~np.isnan(self.values)

    @cached_property
    def complete(self) -> bool:
        """Whether every sensor was observed at every step."""
        return bool(self.observed.all())

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """For each row the first row of its window."""
        return self.by_row(np.cumsum(self.lengths) - self.lengths)

    @cached_property
    def rows_before(self) -> NDArray[np.int64]:
        """For each row the one before it in its window; of a window's first row itself."""
        return np.maximum(np.arange(len(self.times)) - 1, self.first_rows)

    @cached_property
    def last_observed(self) -> NDArray[np.int64]:
        """For each row and sensor the last row up to it in its window that observed the sensor, else the window's first row."""
        rows = np.arange(len(self.observed))[:, None]
        # Rows only grow, so the first row of the next window also ends the reach of the window before it.
        last: NDArray[np.int64] = np.maximum.accumulate(np.where(self.observed, rows, self.first_rows[:, None]), axis=0)
        return last

    @cached_property
    def first_observed(self) -> NDArray[np.int64]:
        """For each row and sensor the first row of its window that observed the sensor; one that did not where none did."""
        if self.complete:
            return np.broadcast_to(self.first_rows[:, None], self.values.shape)
        rows = np.where(self.observed, np.arange(len(self.observed))[:, None], len(self.observed) - 1)
        first: NDArray[np.int64] = np.minimum.reduceat(rows, np.cumsum(self.lengths) - self.lengths, axis=0)
        return np.repeat(first, self.lengths, axis=0)

    @cached_property
    def observed_before(self) -> NDArray[np.int64]:
        """The same of the rows before; of a window's first row itself. One column where all sensors are observed at all steps."""
        return self.rows_before[:, None] if self.complete else self.last_observed[self.rows_before]

    def by_row(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the number of its window."""
        return np.repeat(numbers, self.lengths)


def ragged(windows: Sequence[Window], columns: Sequence[int] | None = None) -> Ragged:
    """Joins windows with the same sensors; `columns` picks and orders sensors by their index, all as they are by default."""
    lengths = np.array([window.length for window in windows], np.int64)
    positions = np.array([window.position for window in windows], np.int64)
    episode_starts = np.array([window.episode_start for window in windows], np.int64)
    times = np.frombuffer(b"".join(window.times for window in windows), "<i8")
    values = np.frombuffer(b"".join(window.values for window in windows), "<f4")
    values = values.reshape(len(times), len(windows[0].sensors) if windows else 0)
    if columns is not None:
        values = np.ascontiguousarray(values[:, list(columns)])
    return Ragged(values, times, lengths, positions, episode_starts)


def last_rows(rows: NDArray[Number], lengths: NDArray[np.int64], last: int | None) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """The last steps of each window, and how many they are."""
    if last is None or not len(lengths) or lengths.max() <= last:
        return rows, lengths
    kept = np.minimum(lengths, last)
    ends = np.repeat(np.cumsum(lengths), lengths)
    return rows[np.arange(len(rows)) >= ends - np.repeat(kept, lengths)], kept


def filled(values: NDArray[np.float32], steps: Ragged, fill: Fill) -> NDArray[np.float32]:
    """The values of all sensors, scaled or not, with a number in the place of each that is unobserved (NaN)."""
    if steps.complete:
        return values
    if fill == "forward":
        values = np.take_along_axis(values, steps.last_observed, axis=0)
    return np.where(np.isnan(values), filling(fill), values)


def filling(fill: Fill) -> np.float32:
    """What becomes of a value that nothing was observed before."""
    return np.float32(0 if isinstance(fill, str) else fill)

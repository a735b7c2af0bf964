"""Window values to model inputs: fill, scaling and channels. Training and scoring both call this code, so they cannot drift apart.

Works on many windows at once: their steps lie one below the other in one array (`Ragged`), so that a whole poll costs a
few array operations. Knows neither padding (`pipeline.core.padding`) nor a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.records import Window

Fill = Literal["zero", "forward"] | float
"""What an unobserved value becomes, after scaling: 0, the sensor's last observed value in the window (else 0), or a number."""


class DeltaPer(StrEnum):
    """Whose seconds `Delta` counts."""

    STEP = "step"
    SENSOR = "sensor"


class Value(msgspec.Struct, frozen=True, tag="value", tag_field="name"):
    """The scaled and filled values: one column per sensor."""


class Observed(msgspec.Struct, frozen=True, tag="observed", tag_field="name"):
    """1 where the sensor was observed, else 0: one column per sensor."""


class Delta(msgspec.Struct, frozen=True, tag="delta", tag_field="name"):
    """Seconds since the previous step: one column; per sensor: since the step before this one that observed it.

    The first step has 0. A sensor not yet observed counts from the window's first step, as in Che et al., "Recurrent
    Neural Networks for Multivariate Time Series with Missing Values", Scientific Reports 8, 2018, equation 2.
    """

    per: DeltaPer = DeltaPer.STEP


Channel = Value | Observed | Delta
CHANNEL_NAMES = ("value", "observed", "delta")


class FeatureSpec(msgspec.Struct, frozen=True):
    """How the values of `len(mean)` sensors become model inputs; columns in the order of the channels."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    channels: tuple[Channel, ...] = (Value(),)
    fill: Fill = "zero"

    @property
    def width(self) -> int:
        """Number of input columns."""
        return sum(1 if channel == Delta() else len(self.mean) for channel in self.channels)


class Ragged(NamedTuple):
    """Windows one below the other: window i has `lengths[i]` rows, at least one."""

    values: NDArray[np.float32]  # rows x sensors, NaN = unobserved
    times: NDArray[np.int64]  # rows, ms
    lengths: NDArray[np.int64]  # windows


def ragged(windows: Sequence[Window], columns: Sequence[int] | None = None) -> Ragged:
    """Joins windows with the same sensors; `columns` picks and orders sensors by their index, all as they are by default."""
    lengths = np.array([window.length for window in windows], np.int64)
    times = np.frombuffer(b"".join(window.times for window in windows), "<i8")
    values = np.frombuffer(b"".join(window.values for window in windows), "<f4")
    values = values.reshape(len(times), len(windows[0].sensors) if windows else 0)
    return Ragged(values if columns is None else values[:, list(columns)], times, lengths)


def make_inputs(steps: Ragged, spec: FeatureSpec) -> NDArray[np.float32]:
    """Model inputs, rows x `spec.width`. An input that overflows float32 is infinite, never an error."""
    columns = []
    for channel in spec.channels:
        match channel:
            case Value():
                columns.append(_filled(_scaled(steps.values, spec), steps, spec.fill))
            case Observed():
                columns.append((~np.isnan(steps.values)).astype(np.float32))
            case Delta(per=DeltaPer.STEP):
                columns.append(_seconds_since(steps, np.ones((len(steps.times), 1), np.bool_)))
            case Delta():
                columns.append(_seconds_since(steps, ~np.isnan(steps.values)))
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def make_codes(steps: Ragged, fill: Fill, vocabulary: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Codes of the only sensor, by row, for a model that embeds them; and which windows have one outside 0..vocabulary - 1.

    Such a code is given as 0. An unobserved value follows the fill rule; "zero" makes it the code that is masked.
    """
    filled = _filled(steps.values, steps, fill)[:, 0]
    wrong = ~((filled >= 0) & (filled < vocabulary) & (filled == np.floor(filled)))
    codes = np.where(wrong, 0, filled).astype(np.int32)
    wrong_windows = np.zeros(len(steps.lengths), np.bool_)
    wrong_windows[np.repeat(np.arange(len(steps.lengths)), steps.lengths)[wrong]] = True
    return codes, wrong_windows


def _scaled(values: NDArray[np.float32], spec: FeatureSpec) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.divide(values - np.array(spec.mean, np.float32), np.array(spec.scale, np.float32), dtype=np.float32)


def _filled(values: NDArray[np.float32], steps: Ragged, fill: Fill) -> NDArray[np.float32]:
    if fill == "forward":
        values = np.take_along_axis(values, _last_observed(~np.isnan(values), steps), axis=0)
    number = np.float32(0 if isinstance(fill, str) else fill)
    return np.where(np.isnan(values), number, values)


def _first_rows(steps: Ragged) -> NDArray[np.int64]:
    """For each row the first row of its window, rows x 1."""
    return np.repeat(np.cumsum(steps.lengths) - steps.lengths, steps.lengths)[:, None]


def _last_observed(observed: NDArray[np.bool_], steps: Ragged) -> NDArray[np.int64]:
    """For each row and column the last row up to it in its window that is observed, else the window's first row."""
    rows = np.arange(len(observed))[:, None]
    # Rows only grow, so the first row of the next window also ends the reach of the window before it.
    return np.maximum.accumulate(np.where(observed, rows, _first_rows(steps)), axis=0)


def _seconds_since(steps: Ragged, observed: NDArray[np.bool_]) -> NDArray[np.float32]:
    first = _first_rows(steps)
    last = _last_observed(observed, steps)
    before = np.maximum(np.concatenate([first[:1].repeat(last.shape[1], axis=1), last[:-1]]), first)
    seconds: NDArray[np.float32] = ((steps.times[:, None] - steps.times[before]) / 1000).astype(np.float32)
    return seconds

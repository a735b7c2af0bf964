"""Codes of coded sensors for a model that embeds them: fill, and what no model can take. Knows neither padding nor a model.

Code 0 is what such a model masks as padding, so no real step may have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.ragged import Fill, Ragged, last_rows

ANY_CODE = 1
"""What a step of a refused window is given as, so that the others can be scored with it."""


class CodedSensor(NamedTuple):
    """A sensor whose values are codes from 1 to `vocabulary` - 1; `unobserved`: the code of a value that is not there."""

    name: str
    vocabulary: int
    unobserved: int | None = None


class Codes(NamedTuple):
    """Codes of the steps that the model sees, windows one below the other, and why windows are refused, by index."""

    rows: NDArray[np.int32]  # rows x sensors
    lengths: NDArray[np.int64]  # windows: steps that the model sees
    refused: Mapping[int, str]


def make_codes(steps: Ragged, sensors: Sequence[CodedSensor], fill: Fill, last: int | None = None) -> Codes:
    """The codes of the last steps of each window; `sensors` are those of `steps`, in their order.

    An unobserved value is the last one observed in the window if the fill rule is "forward", else the sensor's code for
    it. A window in which there is none, or whose value is no code, is refused.
    """
    values = steps.values
    if fill == "forward" and not steps.complete:
        values = np.take_along_axis(values, steps.last_observed, axis=0)
    values, lengths = last_rows(values, steps.lengths, last)
    codes = [np.where(np.isnan(column), sensor.unobserved or np.nan, column) for column, sensor in zip(values.T, sensors, strict=True)]
    good = [
        (column >= 1) & (column < sensor.vocabulary) & (column == np.floor(column)) for column, sensor in zip(codes, sensors, strict=True)
    ]
    refused: dict[int, str] = {}
    if not all(column.all() for column in good):
        for sensor, column, is_code in zip(sensors, codes, good, strict=True):
            for window, value in _first_bad(column, is_code, lengths):
                refused.setdefault(window, _refusal(sensor, value))
    rows = np.stack([np.where(is_code, column, ANY_CODE) for column, is_code in zip(codes, good, strict=True)], axis=1)
    return Codes(rows.astype(np.int32), lengths, refused)


def _first_bad(column: NDArray[np.float64], is_code: NDArray[np.bool_], lengths: NDArray[np.int64]) -> list[tuple[int, float]]:
    """(window, value) for the first value of each window that is no code."""
    bad = np.flatnonzero(~is_code)
    windows, firsts = np.unique(np.searchsorted(np.cumsum(lengths), bad, side="right"), return_index=True)
    return list(zip(windows.tolist(), column[bad[firsts]].tolist(), strict=True))


def _refusal(sensor: CodedSensor, value: float) -> str:
    if np.isnan(value):
        remedy = "bundle the model with --fill forward, or with an Embedding that has a code more, for values that are not there"
        return f"{sensor.name} is unobserved, and the model has no code for that; {remedy}"
    if value == 0:
        return f"{sensor.name} is 0, which the model takes for padding; report codes from 1 to {sensor.vocabulary - 1}"
    remedy = "train the model for it, or report only those"
    return f"{sensor.name} is {value:g}, which is none of the codes 1 to {sensor.vocabulary - 1} that the model knows; {remedy}"

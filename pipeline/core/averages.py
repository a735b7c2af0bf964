"""Exponential moving averages over ragged windows with gaps, without a loop over steps. The formula: `channels.Averages`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.core.channels import Averages, Unit
from pipeline.core.ragged import Fill, Ragged, filling

Floats = NDArray[np.float32]

_LARGEST = np.float32(1e30)
"""What a larger value counts as: 0 x infinity would be a NaN, which the weights 0 between windows could not hold back."""


def moving_averages(scaled: Floats, steps: Ragged, channel: Averages, fill: Fill) -> Floats:
    """Rows x (spans x sensors): all sensors of the first span, then those of the next. `scaled`: rows x sensors, NaN = unobserved."""
    # Where all sensors are observed at all steps, they have the weights of one.
    observed = steps.observed[:, :1] if steps.complete else steps.observed
    weights = _weights(observed, steps.observed_before, steps, channel)
    values = np.clip(scaled if steps.complete else np.where(observed, scaled, 0), -_LARGEST, _LARGEST)
    sums = np.repeat(values[:, None, :], len(channel.spans), axis=1)
    totals = np.repeat(observed.astype(np.float32)[:, None, :], len(channel.spans), axis=1)
    _accumulate((sums, totals), weights, int(steps.lengths.max(initial=1)))
    # An observed value has the weight 1, so that only where there is none yet a total is less.
    columns: Floats = np.divide(sums, np.maximum(totals, 1), dtype=np.float32).reshape(len(scaled), -1)
    if steps.complete or filling(fill) == 0:
        return columns
    nothing_yet = ~np.take_along_axis(observed, steps.last_observed, axis=0)
    return np.where(np.tile(nothing_yet, len(channel.spans)), filling(fill), columns)


def _weights(observed: NDArray[np.bool_], before: NDArray[np.int64], steps: Ragged, channel: Averages) -> Floats:
    """How much is left of the weights before, rows x spans x columns of `observed`.

    0 where nothing was observed before in the window: so nothing goes from one window to the next.
    """
    rows = np.arange(len(observed))[:, None]
    if channel.unit is Unit.STEPS:
        distance = rows - before
        rates = -np.log([max(span - 1, 1e-300) / (span + 1) for span in channel.spans])
    else:
        distance = steps.times[:, None] - steps.times[before]  # ms
        rates = 0.002 / np.array(channel.spans)
    left = np.exp(distance.astype(np.float32)[:, None, :] * -rates.astype(np.float32)[:, None])
    begun = np.take_along_axis(observed, before, axis=0) & (steps.first_rows[:, None] < rows)
    return np.where(begun[:, None, :], np.where(observed[:, None, :], left, np.float32(1)), np.float32(0))


def _accumulate(sums: tuple[Floats, ...], weights: Floats, longest: int) -> None:
    """In place, of each array: sums[i] += weights[i] x sums[i - 1], as a scan by doubling (Hillis and Steele, CACM 29(12), 1986).

    log2(longest) passes over all rows, in place of `longest` passes over one step of each window: a window alone costs few
    operations. A row's result has the same bits whatever windows are above it.
    """
    distance = 1
    while distance < longest:
        for each in sums:
            each[distance:] += weights[distance:] * each[:-distance]
        weights[distance:] *= weights[:-distance]
        distance *= 2

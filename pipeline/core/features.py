"""Window values to model inputs: fill, scaling and channels. Training and scoring both call this code, so they cannot drift apart.

Knows neither padding (`pipeline.core.padding`) nor a model.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.averages import moving_averages
from pipeline.core.channels import CHANNEL_NAMES, Age, Averages, Change, Channel, Delta, DeltaPer, Observed, Unit, Value, parse_channel
from pipeline.core.ragged import Fill, Ragged, filled, last_rows, ragged
from pipeline.core.scaling import Condition, Scaling

__all__ = [
    "CHANNEL_NAMES",
    "Age",
    "Averages",
    "Change",
    "Channel",
    "Condition",
    "Delta",
    "DeltaPer",
    "FeatureSpec",
    "Fill",
    "Observed",
    "Ragged",
    "Unit",
    "Value",
    "last_rows",
    "make_inputs",
    "parse_channel",
    "ragged",
]


class FeatureSpec(msgspec.Struct, frozen=True, dict=True):
    """How the values of `len(mean)` sensors become model inputs; columns in the order of the channels.

    Sensors that tell the operating condition are no inputs themselves: with them models were worse on engines that were held
    out (C-MAPSS FD002 and FD004, root mean square error 12.0 against 11.6).
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    channels: tuple[Channel, ...] = (Value(),)
    fill: Fill = "zero"
    last: int | None = None  # only so many last steps go to the model, after the channels are made; None: all
    settings: tuple[int, ...] = ()  # indices of the sensors that tell the operating condition
    conditions: tuple[Condition, ...] = ()  # with a scaling each, in place of mean and scale; none: one scaling for all steps

    @property
    def width(self) -> int:
        """Number of input columns."""
        return sum(channel.width(len(self.seen)) for channel in self.channels)

    @cached_property
    def seen(self) -> tuple[int, ...]:
        """Indices of the sensors that the channels are made of."""
        return tuple(index for index in range(len(self.mean)) if index not in self.settings)

    @cached_property
    def scaling(self) -> Scaling:
        """How the values are scaled."""
        return Scaling(self.mean, self.scale, self.settings, self.conditions)


@np.errstate(over="ignore")
def make_inputs(steps: Ragged, spec: FeatureSpec) -> NDArray[np.float32]:
    """Model inputs, rows x `spec.width`. An input that overflows float32 is infinite, never an error."""
    scaled = spec.scaling.scaled(steps)
    if spec.settings:
        seen = list(spec.seen)
        scaled, steps = scaled[:, seen], replace(steps, values=steps.values[:, seen])
    columns = [_columns(channel, scaled, steps, spec.fill) for channel in spec.channels]
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def _columns(channel: Channel, scaled: NDArray[np.float32], steps: Ragged, fill: Fill) -> NDArray[np.float32]:
    match channel:
        case Value():
            return filled(scaled, steps, fill)
        case Change():
            return _change(scaled, steps, fill)
        case Observed():
            return steps.observed.astype(np.float32)
        case Delta(per=DeltaPer.STEP, scale=scale):
            return _seconds_since(steps.rows_before[:, None], steps, scale)
        case Delta(scale=scale):
            return np.ascontiguousarray(np.broadcast_to(_seconds_since(steps.observed_before, steps, scale), steps.values.shape))
        case Age():
            return _age(steps, channel)[:, None]
        case Averages():
            return moving_averages(scaled, steps, channel, fill)


def _change(scaled: NDArray[np.float32], steps: Ragged, fill: Fill) -> NDArray[np.float32]:
    # Of two infinite values the difference would be none.
    finite = np.clip(scaled, np.float32(-1e38), np.float32(1e38))
    return filled(finite - np.take_along_axis(finite, steps.first_observed, axis=0), steps, fill)


def _seconds_since(before: NDArray[np.int64], steps: Ragged, scale: float) -> NDArray[np.float32]:
    return ((steps.times[:, None] - steps.times[before]) / (1000 * scale)).astype(np.float32)


def _age(steps: Ragged, age: Age) -> NDArray[np.float32]:
    if age.unit is Unit.STEPS:
        numbers = np.arange(len(steps.times)) - steps.first_rows + steps.by_row(steps.positions)
        return (numbers / age.scale).astype(np.float32)
    return ((steps.times - steps.by_row(steps.episode_starts)) / (1000 * age.scale)).astype(np.float32)

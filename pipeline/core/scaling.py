"""Scaling of sensor values, one for all steps or one for each operating condition of the device. Knows neither channels nor fitting.

A device that works under several conditions (a turbofan at another altitude) has other values in each; a model sees what
is out of the ordinary only in values scaled by the condition of their step. The condition is that whose centre is nearest
to the step's settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.ragged import Ragged

Floats = NDArray[np.float32]


class Condition(msgspec.Struct, frozen=True):
    """One operating condition."""

    centre: tuple[float, ...]  # by setting, in scaled units
    mean: tuple[float, ...]  # by sensor, in the sensor's unit
    scale: tuple[float, ...]


@dataclass(frozen=True)
class Scaling:
    """How values become (value - mean) / scale, all in float32; by sensor. Without conditions one scaling is for all steps."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    settings: tuple[int, ...] = ()  # indices of the sensors that tell the condition
    conditions: tuple[Condition, ...] = ()

    def scaled(self, steps: Ragged) -> Floats:
        """Rows x sensors, NaN = unobserved. A value that overflows is infinite."""
        if not self.conditions:
            # A division of float32 arrays, never a product with 1 / scale: contracts in use have these bits.
            return (steps.values - self._global[0]) / self._global[1]
        mean, scale = self._by_condition
        conditions = self.conditions_of(steps)
        return (steps.values - mean[conditions]) / scale[conditions]

    def conditions_of(self, steps: Ragged) -> NDArray[np.int64]:
        """For each row the index of its condition.

        A setting that the step does not tell is the last one observed in the window; what was not observed yet counts
        nothing, and where nothing was it is the first condition.
        """
        columns = list(self.settings)
        settings = (steps.values[:, columns] - self._global[0][columns]) / self._global[1][columns]
        if not steps.complete:
            settings = np.take_along_axis(settings, steps.last_observed[:, columns], axis=0)
        distances = np.zeros((len(settings), len(self.conditions)), np.float32)
        # Setting by setting: a sum whose order depended on the number of rows could tell a step alone from the same in company.
        for column, centres in enumerate(self._centres.T):
            difference = settings[:, column, None] - centres
            distances += np.where(np.isnan(difference), 0, difference * difference)
        nearest: NDArray[np.int64] = distances.argmin(axis=1)
        return nearest

    @cached_property
    def _global(self) -> tuple[Floats, Floats]:
        return np.array(self.mean, np.float32), np.array(self.scale, np.float32)

    @cached_property
    def _by_condition(self) -> tuple[Floats, Floats]:
        """Each conditions x sensors."""
        mean, scale = ([getattr(condition, name) for condition in self.conditions] for name in ("mean", "scale"))
        return np.array(mean, np.float32), np.array(scale, np.float32)

    @cached_property
    def _centres(self) -> Floats:
        """Conditions x settings."""
        return np.array([condition.centre for condition in self.conditions], np.float32)

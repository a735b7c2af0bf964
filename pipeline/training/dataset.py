"""From windows and labels to training examples: which windows count, the split by device, the scaling. Knows no model.

Inputs come from the code that makes the scorer's inputs (`pipeline.core.features`, `pipeline.core.padding`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.features import FeatureSpec, Ragged, make_inputs
from pipeline.core.padding import away_from_padding
from pipeline.errors import ConfigurationError
from pipeline.records import Window
from pipeline.training.labels import LabelTable, last_step

PADDING_VALUE = 0.0


@dataclass(frozen=True)
class LabelledWindows:
    """Windows and the rows of the targets that belong to them, and how many windows were left out for what reason."""

    windows: tuple[Window, ...]
    targets: NDArray[np.float32]  # windows x outputs
    outputs: tuple[str, ...]
    unlabelled: int = 0  # their last step has no label
    too_short: int = 0  # live, such windows are not scored

    @property
    def devices(self) -> frozenset[str]:
        """The devices that the windows are of."""
        return frozenset(window.device for window in self.windows)

    def of(self, devices: frozenset[str]) -> LabelledWindows:
        """The windows of some devices only."""
        chosen = [index for index, window in enumerate(self.windows) if window.device in devices]
        return LabelledWindows(tuple(self.windows[index] for index in chosen), self.targets[chosen], self.outputs)


class Examples(NamedTuple):
    """Inputs of windows one below the other, as in `Ragged`, and their targets."""

    inputs: NDArray[np.float32]  # rows x columns, none of them equal to the padding value
    lengths: NDArray[np.int64]  # windows
    targets: NDArray[np.float32]  # windows x outputs


def label_windows(windows: Iterable[Window], table: LabelTable) -> LabelledWindows:
    """Gives each window the label of its last step. Raises `ConfigurationError` where no window has one."""
    taken: list[Window] = []
    rows: list[int] = []
    example: Window | None = None
    unlabelled = too_short = 0
    for window in windows:
        row = table.rows.get(last_step(window))
        if window.too_short:
            too_short += 1
        elif row is None:
            unlabelled += 1
            example = example or window
        else:
            taken.append(window)
            rows.append(row)
    if not taken:
        raise _nothing_labelled(example, too_short, table)
    return LabelledWindows(tuple(taken), table.targets[rows], table.outputs, unlabelled, too_short)


def _nothing_labelled(example: Window | None, too_short: int, table: LabelTable) -> ConfigurationError:
    if example is None:
        return ConfigurationError(f"the recording has no window to train with ({too_short} too short); see `sensorline lengths`")
    device, time = last_step(example)
    times = sorted(time for labelled, time in table.rows if labelled == device)
    if not times:
        known = min((labelled for labelled, _ in table.rows), default="none")
        return ConfigurationError(f"no window has a label: {device!r} is not among the devices of the labels (such as {known!r})")
    return ConfigurationError(
        f"no window has a label: the last step of a window of {device!r} is at {time}, its labels are from {times[0]} to {times[-1]}; "
        "the times must be equal to the millisecond"
    )


def split_devices(devices: frozenset[str], holdout: float, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """(training devices, held-out devices): about the share `holdout` is held out, at least one device on each side.

    By device, since windows of one device are alike: held-out windows of a training device would prove nothing. Raises
    `ConfigurationError` for fewer than two devices.
    """
    if len(devices) < 2:
        raise ConfigurationError(f"{len(devices)} device has labelled windows; at least 2 are needed, since some devices are held out")
    shuffled = np.random.default_rng(seed).permutation(sorted(devices)).tolist()
    held_out = min(len(devices) - 1, max(1, round(holdout * len(devices))))
    return frozenset(shuffled[held_out:]), frozenset(shuffled[:held_out])


class Scaling(NamedTuple):
    """By sensor: the model sees (value - mean) / scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


def fit_scaling(values: NDArray[np.float32]) -> Scaling:
    """Mean and standard deviation of each sensor (rows x sensors, NaN = unobserved).

    The scale is 1 for a sensor that hardly varies: dividing by its deviation would show the model nothing but rounding. A
    sensor that is never observed has mean 0.
    """
    observed = ~np.isnan(values)
    counts = np.maximum(observed.sum(axis=0), 1)
    mean = np.where(observed, values, 0).sum(axis=0, dtype=np.float64) / counts
    deviation = np.sqrt((np.where(observed, values - mean, 0) ** 2).sum(axis=0) / counts)
    scale = np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6), deviation, 1.0)
    return Scaling(tuple(mean.tolist()), tuple(scale.tolist()))


def make_examples(steps: Ragged, targets: NDArray[np.float32], features: FeatureSpec) -> Examples:
    """What the scorer would give the model for these windows, with what it should answer."""
    inputs, _ = away_from_padding(make_inputs(steps, features), PADDING_VALUE)
    return Examples(inputs, steps.lengths, targets)

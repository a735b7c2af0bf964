"""From windows and labels to training examples: which windows count, the split by device, the inputs. Knows no model.

Inputs come from the code that makes the scorer's inputs (`pipeline.scoring.inputs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError
from pipeline.records import Window
from pipeline.scoring.contract import Contract
from pipeline.scoring.engine import Inputs, ModelInput, ModelSignature
from pipeline.scoring.inputs import InputMaker
from pipeline.training.labels import LabelTable, last_step
from pipeline.training.scaling import WINDOWS_AT_ONCE

PADDING_VALUE = 0.0


@dataclass(frozen=True)
class LabelledWindows:
    """Windows and the rows of the targets that belong to them, and how many windows were left out for what reason."""

    windows: tuple[Window, ...]
    targets: NDArray[np.float32]  # windows x outputs
    outputs: tuple[str, ...]
    unlabelled: int = 0  # their last step has no label
    too_short: int = 0  # live, such windows are not scored
    copies: tuple[int, ...] = ()  # by window: 0 where it is of the recording as it is, else the number of the disturbed copy; (): all 0
    thinned: tuple[float, ...] = ()  # by disturbed copy: the share of its readings that is left out

    @property
    def devices(self) -> frozenset[str]:
        """The devices that the windows are of."""
        return frozenset(window.device for window in self.windows)

    def of(self, devices: frozenset[str]) -> LabelledWindows:
        """The windows of some devices only."""
        return self._chosen([index for index, window in enumerate(self.windows) if window.device in devices])

    def with_targets(self, targets: NDArray[np.float32]) -> LabelledWindows:
        """The same windows with other targets."""
        return replace(self, targets=targets)

    @property
    def as_recorded(self) -> LabelledWindows:
        """The windows of the recording as it is, without those of disturbed copies."""
        return self.copy(0)

    def copy(self, number: int) -> LabelledWindows:
        """The windows of one disturbed copy, or, for 0, of the recording as it is."""
        if not self.copies:
            return self._chosen([] if number else list(range(len(self.windows))))
        return self._chosen([index for index, copy in enumerate(self.copies) if copy == number])

    def _chosen(self, chosen: list[int]) -> LabelledWindows:
        copies = tuple(self.copies[index] for index in chosen) if self.copies else ()
        windows = tuple(self.windows[index] for index in chosen)
        return LabelledWindows(windows, self.targets[chosen], self.outputs, copies=copies, thinned=self.thinned)

    def __add__(self, copy: LabelledWindows) -> LabelledWindows:
        """Together with the windows of a disturbed copy, of which it is not counted what was left out."""
        copies = self.copies or (0,) * len(self.windows)
        return replace(
            self,
            windows=self.windows + copy.windows,
            targets=np.concatenate([self.targets, copy.targets]),
            copies=copies + (max(copies, default=0) + 1,) * len(copy.windows),
        )


class Examples(NamedTuple):
    """Inputs of windows one below the other, as in `Ragged`, and their targets."""

    inputs: NDArray[np.float32]  # rows x columns, none of them equal to the padding value; no columns where all sensors are coded
    lengths: NDArray[np.int64]  # windows
    targets: NDArray[np.float32]  # windows x outputs
    codes: tuple[NDArray[np.int32], ...] = ()  # by coded sensor: rows, none of them 0

    @property
    def model_inputs(self) -> tuple[Inputs, ...]:
        """What the model takes, in its order."""
        return (self.inputs, *self.codes) if self.inputs.shape[1] else self.codes


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


def make_examples(windows: Sequence[Window], targets: NDArray[np.float32], contract: Contract) -> Examples:
    """What the scorer would give the model for these windows, with what it should answer.

    Some windows at a time, so that no more than the last steps of all windows are in memory at once. Raises
    `ConfigurationError` for a window that the scorer would refuse.
    """
    maker = InputMaker(contract, _signature(contract))
    lengths = np.array([min(window.length, contract.longest) for window in windows], np.int64)
    total = int(lengths.sum())
    columns = contract.features().width if contract.float_sensors else 0
    inputs = np.empty((total, columns), np.float32)
    codes = tuple(np.empty(total, np.int32) for _ in contract.coded_sensors)
    filled = 0
    for begin in range(0, len(windows), WINDOWS_AT_ONCE):
        made = maker(windows[begin : begin + WINDOWS_AT_ONCE])
        for index, reason in made.refused.items():
            window = windows[begin + index]
            raise ConfigurationError(f"window of {window.device} from {window.start} to {window.end}: {reason}")
        end = filled + int(made.lengths.sum())
        for whole, part in zip((inputs, *codes) if columns else codes, made.rows, strict=True):
            whole[filled:end] = part
        filled = end
    return Examples(inputs, lengths, targets, codes)


def _signature(contract: Contract) -> ModelSignature:
    """The model that is trained for the contract: the float input, if any, then those of codes."""
    floats = (ModelInput("steps", contract.features().width, contract.padding_value),) if contract.float_sensors else ()
    codes = tuple(ModelInput(sensor.name, vocabulary=sensor.vocabulary) for sensor in contract.coded_sensors)
    return ModelSignature((*floats, *codes), contract.fixed_length, tuple(output.name for output in contract.outputs))

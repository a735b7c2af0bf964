"""Where a training stands, on disk: written whole after each epoch, so that one that was killed goes on. Knows arrays, no model."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.atomic import atomic_file
from pipeline.training.progress import Epoch

Arrays = tuple[NDArray[Any], ...]

_FILE = "checkpoint.npz"


@dataclass(frozen=True)
class Standing:
    """Where a training stands after an epoch."""

    history: tuple[Epoch, ...]
    variables: Arrays  # of the model and the optimizer, in their order
    best: Arrays  # the model's weights after the best epoch


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one training. `fingerprint` tells its recipe and data from others."""

    folder: Path
    fingerprint: str

    def write(self, standing: Standing) -> None:
        """Replaces what is there. Raises `SensorlineError` where the disk does not take it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SensorlineError(f"{self.folder}: cannot be made a folder: {error.strerror or error}") from error
        history = np.array(
            [(epoch.epochs, epoch.loss, np.nan if epoch.held_out_loss is None else epoch.held_out_loss) for epoch in standing.history]
        )
        arrays: dict[str, Any] = _numbered("variable", standing.variables) | _numbered("best", standing.best)
        with atomic_file(self.folder / _FILE) as file:
            np.savez(file, fingerprint=np.array(self.fingerprint), history=history, **arrays)

    def read(self) -> Standing | None:
        """What was written last; None where nothing was.

        Raises `ConfigurationError` where it is of another training, as going on would mix the two.
        """
        file = self.folder / _FILE
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as found:
                arrays = {name: found[name] for name in found.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ConfigurationError(f"{file} cannot be read ({error}); train without --resume") from None
        if str(arrays["fingerprint"]) != self.fingerprint:
            raise ConfigurationError(
                f"{self.folder} is of a training with other options, windows or labels; give the same again, or train without --resume"
            )
        history = tuple(
            Epoch(number, int(epochs), float(loss), None if np.isnan(held_out) else float(held_out))
            for number, (epochs, loss, held_out) in enumerate(arrays["history"], start=1)
        )
        return Standing(history, _in_order(arrays, "variable"), _in_order(arrays, "best"))

    def remove(self) -> None:
        """Nothing is left of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _numbered(name: str, arrays: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{name}_{number}": array for number, array in enumerate(arrays)}


def _in_order(arrays: dict[str, NDArray[Any]], name: str) -> Arrays:
    return tuple(arrays[f"{name}_{number}"] for number in range(sum(key.startswith(f"{name}_") for key in arrays)))

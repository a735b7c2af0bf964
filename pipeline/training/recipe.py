"""How a model is trained: immutable, validated, with the defaults. Knows neither files nor a model library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.core.features import Channel, Delta, DeltaPer, Fill, Observed, Value
from pipeline.errors import ConfigurationError

# On C-MAPSS FD001 the best epoch on held-out engines comes before their end; half as many were worse (RMSE 12.6 against 11.9).
TRAINING_STEPS = 1_200
MAX_EPOCHS = 100

CHANNELS: Mapping[str, Channel] = {"value": Value(), "observed": Observed(), "delta": Delta(), "delta:sensor": Delta(DeltaPer.SENSOR)}


class Task(StrEnum):
    """What the label is: a quantity, or one of several classes."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a model but the windows and the labels. Equal recipes on equal data give equal models.

    Raises `ConfigurationError` for values that train nothing.
    """

    task: Task = Task.REGRESSION
    outputs: tuple[str, ...] = ()  # columns of the labels; none: all of them
    cap: float | None = None  # regression: greater labels are trained, and judged, as this
    channels: tuple[Channel, ...] = (Value(), Observed(), Delta())
    fill: Fill = "forward"
    units: int = 64  # of the LSTM
    dropout: float = 0.2  # share of the LSTM's outputs left out in each training step
    epochs: int | None = None  # at most; None: as many as make about `TRAINING_STEPS`
    batch_size: int = 128  # windows
    learning_rate: float = 3e-3  # at the start; it falls to 0 over the epochs, as half a cosine
    holdout: float = 0.2  # share of the devices that is held out
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("units", "batch_size"):
            self._require(getattr(self, name) >= 1, name, "must be at least 1")
        self._require(self.epochs is None or self.epochs >= 1, "epochs", "must be at least 1")
        self._require(self.learning_rate > 0, "learning_rate", "must be more than 0")
        self._require(0 <= self.dropout < 1, "dropout", "must be from 0 to less than 1")
        self._require(0 < self.holdout < 1, "holdout", "must be a share of the devices, between 0 and 1")
        self._require(0 <= self.seed < 2**32, "seed", "must be from 0 to 2^32 - 1")
        self._require(bool(self.channels), "channels", "must be at least one")
        self._require(len(set(self.outputs)) == len(self.outputs), "outputs", "must be different columns")
        self._require(self.cap is None or self.task is Task.REGRESSION, "cap", "goes with regression only")
        self._require(len(self.outputs) <= 1 or self.task is Task.REGRESSION, "outputs", "must be one column for classification")

    def epochs_of(self, steps: int) -> int:
        """The greatest number of epochs, where one has so many training steps."""
        return self.epochs or min(MAX_EPOCHS, max(1, round(TRAINING_STEPS / steps)))

    def _require(self, holds: bool, name: str, allowed: str) -> None:
        if not holds:
            raise ConfigurationError(f"{name} = {getattr(self, name)}: {allowed}")


def parse_channels(text: str) -> tuple[Channel, ...]:
    """Channels by their names in `CHANNELS`, with commas between. Raises `ConfigurationError`."""
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= set(CHANNELS) or len(set(names)) < len(names):
        raise ConfigurationError(f"channels = {text}: must be some of {', '.join(CHANNELS)}, each once")
    return tuple(CHANNELS[name] for name in names)

"""How a model is trained: immutable, validated, with the defaults. Knows neither files nor a model library."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from math import cos, pi

from pipeline.core.features import Channel, Delta, Fill, Observed, Value, parse_channel
from pipeline.errors import ConfigurationError
from pipeline.training.conditions import OperatingConditions

# So many end where held-out engines of C-MAPSS no longer gain: in 11 of 12 splits one of the last three of 14 epochs was the best.
TRAINING_STEPS = 1_200
MAX_EPOCHS = 100


class Task(StrEnum):
    """What the model answers: a quantity, one of several classes, or the values of the next step."""

    REGRESSION = "regression"
    CLASSIFICATION = "classification"
    FORECAST = "forecast"


class Cell(StrEnum):
    """The recurrent layer."""

    LSTM = "lstm"
    GRU = "gru"


@dataclass(frozen=True)
class Architecture:
    """The layers between the inputs and the last one. Raises `ConfigurationError` for one that cannot be."""

    cell: Cell = Cell.LSTM
    units: tuple[int, ...] = (64,)  # of each recurrent layer
    bidirectional: bool = False  # each recurrent layer reads the window both ways
    attention: bool = False  # the last one's steps are weighed and summed; else its last state is taken
    dense: tuple[int, ...] = ()  # units of the layers after that
    dropout: float = 0.2  # share of what the recurrent layers say that is left out in each training step
    input_dropout: float = 0.0  # share of the input columns that is left out of a window in each training step
    embedding: int = 8  # numbers that a code becomes

    def __post_init__(self) -> None:
        _require(len(self.units) > 0 and min(self.units) >= 1, f"units = {_listed(self.units)}: must be at least 1 for each layer")
        _require(all(units >= 1 for units in self.dense), f"dense = {_listed(self.dense)}: must be at least 1 for each layer")
        _require(self.embedding >= 1, f"embedding = {self.embedding}: must be at least 1")
        for name, share in (("dropout", self.dropout), ("input_dropout", self.input_dropout)):
            _require(0 <= share < 1, f"{name} = {share}: must be from 0 to less than 1")


@dataclass(frozen=True)
class Fitting:
    """How the weights are found. Raises `ConfigurationError` for values that find none."""

    epochs: int | None = None  # at most; None: as many as make about `TRAINING_STEPS`
    batch_size: int = 64  # windows
    learning_rate: float = 3e-3  # the greatest: it rises to this in a straight line, then falls to 0 as half a cosine
    warm_up: float = 0.05  # share of the training in which it rises
    stride: int = 1  # each epoch takes every n-th window of each device, from a random one on
    holdout: float = 0.2  # share of the devices that is held out; 0: none, and the last epoch's weights are kept
    seed: int = 1

    def __post_init__(self) -> None:
        for name, value in (("batch_size", self.batch_size), ("stride", self.stride), ("epochs", self.epochs)):
            _require(value is None or value >= 1, f"{name} = {value}: must be at least 1")
        _require(self.learning_rate > 0, f"learning_rate = {self.learning_rate}: must be more than 0")
        _require(0 <= self.warm_up < 1, f"warm_up = {self.warm_up}: must be from 0 to less than 1")
        _require(0 <= self.holdout < 1, f"holdout = {self.holdout}: must be a share of the devices, from 0 to less than 1")
        _require(0 <= self.seed < 2**32, f"seed = {self.seed}: must be from 0 to 2^32 - 1")

    def epochs_of(self, steps: int) -> int:
        """The greatest number of epochs, where one has so many training steps."""
        return self.epochs or min(MAX_EPOCHS, max(1, round(TRAINING_STEPS / steps)))

    def rate_at(self, progress: float) -> float:
        """The learning rate where so much of all epochs is done, from 0 to 1.

        >>> [round(Fitting(learning_rate=1, warm_up=0.5).rate_at(progress), 3) for progress in (0, 0.25, 0.5, 0.75, 1)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
        """
        if progress < self.warm_up:
            return self.learning_rate * progress / self.warm_up
        return self.learning_rate * (1 + cos(pi * (progress - self.warm_up) / (1 - self.warm_up))) / 2


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes a model but the windows and the labels. Equal recipes on equal data give equal models.

    Raises `ConfigurationError` for values that contradict each other.
    """

    task: Task = Task.REGRESSION
    outputs: tuple[str, ...] = ()  # columns of the labels; none: all of them
    cap: float | None = None  # regression: greater labels are trained, and judged, as this
    cap_weight: float = 1.0  # of a window whose label is the cap, in the loss
    balanced: bool = False  # classification: each class weighs the same in the loss, however rare
    quantile: float = 0.99  # forecast: the share of held-out windows whose error is below the threshold
    channels: tuple[Channel, ...] = (Value(), Observed(), Delta())
    fill: Fill = "forward"
    conditions: OperatingConditions | None = None  # each with a scaling of its own; None: one scaling for all steps
    last: int | None = None  # the model sees only so many last steps, after the channels are made; None: all
    architecture: Architecture = field(default_factory=Architecture)
    fitting: Fitting = field(default_factory=Fitting)

    def __post_init__(self) -> None:
        regression, classification = self.task is Task.REGRESSION, self.task is Task.CLASSIFICATION
        _require(bool(self.channels), "channels: must be at least one")
        _require(len(set(self.outputs)) == len(self.outputs), f"outputs = {_listed(self.outputs)}: must be different columns")
        _require(self.cap is None or regression, f"cap = {self.cap}: goes with regression only")
        _require(0 < self.cap_weight <= 1, f"cap_weight = {self.cap_weight}: must be more than 0 and at most 1")
        _require(self.cap_weight == 1 or self.cap is not None, f"cap_weight = {self.cap_weight}: goes with cap only")
        _require(not self.balanced or classification, "balanced: goes with classification only")
        _require(len(self.outputs) <= 1 or not classification, f"outputs = {_listed(self.outputs)}: must be one column for classification")
        _require(0 < self.quantile < 1, f"quantile = {self.quantile}: must be between 0 and 1")
        _require(self.last is None or self.last >= 1, f"last = {self.last}: must be at least 1")


def parse_channels(text: str) -> tuple[Channel, ...]:
    """Channels with commas between, such as `value,delta`. Raises `ConfigurationError`.

    >>> len(parse_channels("value,ema:10,30,age/200"))
    3
    """
    # A channel may have numbers of its own, with commas between; no name begins with a digit.
    channels = tuple(parse_channel(part) for part in re.split(r",(?!\s*[0-9])", text))
    _require(len(set(channels)) == len(channels), f"channels = {text}: must be different ones")
    return channels


def _listed(values: tuple[object, ...]) -> str:
    return ",".join(map(str, values))


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ConfigurationError(problem)

"""Windows to what a model takes: an array for each of its inputs, and why windows are refused. Knows no engine and no batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import Batch
from pipeline.core.codes import make_codes
from pipeline.core.features import Averages, last_rows, make_inputs, ragged
from pipeline.core.padding import away_from_padding, pad
from pipeline.records import Window
from pipeline.scoring.contract import Contract
from pipeline.scoring.engine import Floats, Inputs, ModelInput, ModelSignature

_NOTHING = np.empty((0, 0), np.float32)
_NO_LENGTHS = np.empty(0, np.int64)


class ModelInputs(NamedTuple):
    """What the model sees of windows, in their order, one below the other."""

    rows: tuple[Inputs, ...]  # for each input of the model: rows x features, or rows of codes
    lengths: NDArray[np.int64]  # windows: steps that the model sees
    refused: Mapping[int, str]  # by index of the window; they have rows too, which say nothing
    collisions: int  # steps that looked like padding

    def beyond(self, seen: NDArray[np.int64]) -> ModelInputs:
        """The same windows without their first `seen` steps, of which each has more."""
        first_rows = np.repeat(self.lengths.cumsum() - self.lengths + seen, self.lengths)
        kept = np.arange(len(first_rows)) >= first_rows
        return self._replace(rows=tuple(rows[kept] for rows in self.rows), lengths=self.lengths - seen)

    def padded(self, batch: Batch, ends: NDArray[np.int64], signature: Sequence[ModelInput]) -> list[Inputs]:
        """What the engine takes of a batch; `ends`: for each window the row behind its last one."""
        lengths = self.lengths[batch.begin : batch.end]
        begin_row, end_row = ends[batch.begin] - lengths[0], ends[batch.end - 1]
        return [
            pad(rows[begin_row:end_row], lengths, batch.padded_to, given.padding_value)
            for rows, given in zip(self.rows, signature, strict=True)
        ]


class InputMaker:
    """Makes the inputs of a model, by its contract."""

    def __init__(self, contract: Contract, signature: ModelSignature) -> None:
        self._contract = contract
        self._features = contract.features()
        self._floats = tuple(sensor.name for sensor in contract.float_sensors)
        self._coded = contract.coded_sensors
        self._codes = tuple(sensor.name for sensor in self._coded)
        self._embedded = tuple(given.vocabulary is not None for given in signature.inputs)

    @property
    def looks_back_little(self) -> bool:
        """Whether windows can be condensed (`pipeline.core.lookback`).

        Moving averages look back at all of a window, and the operating condition of an earlier step at settings before it.
        """
        averages = any(isinstance(channel, Averages) for channel in self._features.channels)
        return not averages and not self._features.settings

    def __call__(self, windows: Sequence[Window]) -> ModelInputs:
        """The inputs of one or more windows with equal sensors, the contract's among them."""
        features, collisions, lengths = self._float_rows(windows) if self._floats else (_NOTHING, 0, _NO_LENGTHS)
        codes: Iterator[Inputs] = iter(())
        refused: Mapping[int, str] = {}
        if self._codes:
            steps = ragged(windows, _columns(windows, self._codes))
            made = make_codes(steps, self._coded, self._contract.fill, self._contract.last)
            codes, refused, lengths = iter(np.ascontiguousarray(made.rows.T)), made.refused, made.lengths
        return ModelInputs(tuple(next(codes) if embedded else features for embedded in self._embedded), lengths, refused, collisions)

    def _float_rows(self, windows: Sequence[Window]) -> tuple[Floats, int, NDArray[np.int64]]:
        steps = ragged(windows, _columns(windows, self._floats))
        rows, lengths = last_rows(make_inputs(steps, self._features), steps.lengths, self._contract.last)
        return *away_from_padding(rows, self._contract.padding_value), lengths


def _columns(windows: Sequence[Window], names: tuple[str, ...]) -> list[int] | None:
    """Where the sensors are among the windows' sensors; None: they are the same."""
    given = windows[0].sensors
    return None if given == names else [given.index(name) for name in names]

"""The score stage: records of the windows topic in; predictions and rejected records out. It keeps no state.

A whole poll, over all partitions, is scored at once, so that batches are as large and as even in length as can be. A poll is
scored by one model: another one takes over between two of them.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from pipeline.brokers.protocol import Message, Record
from pipeline.core.buckets import BATCH_WINDOWS, DELAY_MS
from pipeline.core.policy import WindowPolicy
from pipeline.logs import fields
from pipeline.records import ModelIdentity, Prediction, PredictionTimes, Rejection, RejectReason, Window, WindowSummary
from pipeline.scoring.drift import DriftWatch
from pipeline.scoring.scorer import Scorer
from pipeline.stages.stateless import Stateless
from pipeline.wire.headers import closing_time
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import decode_window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreTopics:
    """Where windows come from, and where predictions and windows that cannot be scored go.

    Without `rejected` the latter are counted only: of a second model, which the first one's users need not hear about.
    """

    windows: str
    predictions: str
    rejected: str | None


@dataclass(frozen=True)
class ScoreOptions:
    """What else is wanted."""

    name: str = "score"  # of the stage
    step_outputs: bool = False  # predictions also have what the model says of each step
    drift_alert: float | None = None  # the index above which what is scored has drifted from what the model was trained on


class ScoreStage(Stateless):
    """Implements `pipeline.stages.protocol.Stage`. Scores windows made by `policy` over `sensors`; all others are rejected."""

    def __init__(
        self, topics: ScoreTopics, scorer: Scorer, policy: WindowPolicy, sensors: tuple[str, ...], options: ScoreOptions | None = None
    ) -> None:
        super().__init__()
        self._options = options or ScoreOptions()
        self.name = self._options.name
        self.source = topics.windows
        # What whoever watches the model's bundle has counted; replaced, never changed.
        self.watched: Mapping[str, int] = {}
        self._topics = topics
        self._successor = scorer
        self._begin(scorer)
        self._sensors = sensors
        self._spec_id = policy.spec_id(sensors)
        # From the beginning, so that Prometheus sees the first one as an increase.
        self._counts: Counter[str] = Counter({f"rejected_{RejectReason.MODEL}": 0})

    def replace(self, scorer: Scorer) -> None:
        """Goes on with another scorer from the next step on. May be called from any thread."""
        self._successor = scorer

    def _begin(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._drift = DriftWatch(scorer.contract, self._options.drift_alert)

    def step(self, records: Sequence[Record], now_ms: int) -> list[Message]:
        successor = self._successor
        if successor is not self._scorer:
            self._begin(successor)
        # By record: its message, or nothing; a window's place is filled in once all are scored.
        out: list[Message | None] = [None] * len(records)
        scorable: list[tuple[int, Window]] = []
        for place, record in enumerate(records):
            self._passed(record)
            match self._examine(record):
                case Window() as window:
                    scorable.append((place, window))
                case Rejection() as rejection:
                    out[place] = self._reject(record, rejection)
        if scorable:
            self._score(scorable, records, out, now_ms)
        return [message for message in out if message is not None]

    def counts(self) -> Mapping[str, int]:
        return {**self._counts, **self._drift.counts, **self.watched}

    @property
    def model(self) -> ModelIdentity:
        """The model that scores the next step."""
        return self._successor.identity

    def _examine(self, record: Record) -> Window | Rejection | None:
        """The window to score, or why it is rejected; None for a record that is passed over."""
        if record.value is None:
            self._counts["ignored"] += 1
            return None
        self._counts["windows"] += 1
        try:
            window = decode_window(record.value)
        except ValueError as error:
            return Rejection(RejectReason.SCHEMA, str(error))
        if window.too_short:
            self._counts["too_short"] += 1
            return None
        if window.spec != self._spec_id or window.sensors != self._sensors:
            other = f"the window was made by spec {window.spec}, not by {self._spec_id}, which is the configuration's"
            return Rejection(RejectReason.MODEL, other)
        refusal = self._scorer.refusal(window)
        return window if refusal is None else Rejection(RejectReason.MODEL, refusal)

    def _reject(self, record: Record, rejection: Rejection) -> Message | None:
        self._counts[f"rejected_{rejection.reason}"] += 1
        if self._topics.rejected is None:
            log.debug("%s: window not scored, %s", self.name, rejection.error)
            return None
        return rejected_message(self._topics.rejected, record, rejection)

    def _score(self, scorable: list[tuple[int, Window]], records: Sequence[Record], out: list[Message | None], now_ms: int) -> None:
        windows = [window for _, window in scorable]
        scores = self._scorer.score(windows, with_steps=self._options.step_outputs)
        self._drift.take(windows, scores.outputs)
        numbers = scores.outputs.astype(np.float64).tolist()
        for index, (place, window) in enumerate(scorable):
            if index in scores.errors:
                out[place] = self._reject(records[place], Rejection(RejectReason.MODEL, scores.errors[index]))
                continue
            prediction = self._prediction(window, numbers[index], int(scores.padded_to[index]), now_ms)
            if scores.steps:
                by_step = scores.steps[index].T.astype(np.float64).tolist()
                steps = {name: tuple(numbers) for name, numbers in zip(self._scorer.step_output_names, by_step, strict=True)}
                prediction = msgspec.structs.replace(prediction, steps=steps)
            if log.isEnabledFor(logging.DEBUG):
                log.debug("window scored", extra=fields(prediction=prediction.id, window=window.id, device=window.device))
            out[place] = Message(self._topics.predictions, window.device.encode(), encode_prediction(prediction))
        self._counts["scored"] += len(scorable) - len(scores.errors)
        for count in ("collisions", "padded_cells", "real_cells"):
            self._counts[count] += getattr(scores, count)
        BATCH_WINDOWS.add(self._counts, len(scorable))
        for place, _ in scorable:
            closed_ms = closing_time(records[place])
            if closed_ms is not None:
                DELAY_MS.add(self._counts, max(0, now_ms - closed_ms))

    def _prediction(self, window: Window, numbers: list[float], padded_to: int, now_ms: int) -> Prediction:
        model = self._scorer.identity
        return Prediction(
            id=prediction_id(window, model.sha256),
            device=window.device,
            window=WindowSummary(
                id=window.id,
                start=window.start,
                end=window.end,
                length=window.length,
                reason=window.reason,
                final=window.final,
                sequence=window.sequence,
                revision=window.revision,
                dropped=window.dropped,
            ),
            outputs=dict(zip(self._scorer.output_names, numbers, strict=True)),
            model=model,
            source=window.source,
            padded_to=padded_to,
            times=PredictionTimes(window.source.last_arrival, now_ms),
        )


def prediction_id(window: Window, model_sha256: str) -> str:
    """The same for each scoring of one content of a window by one model."""
    parts = f"{window.id}\n{window.sequence}\n{window.revision}\n{model_sha256}"
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()

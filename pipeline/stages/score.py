"""The score stage: records of the windows topic in; predictions and rejected records out. It keeps no state.

A whole poll, over all partitions, is scored at once, so that batches are as large and as even in length as can be.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.core.keyed_state import Write
from pipeline.core.policy import WindowPolicy
from pipeline.records import Prediction, PredictionTimes, Rejection, RejectReason, Window, WindowSummary
from pipeline.scoring.scorer import Scorer
from pipeline.stages.protocol import Checkpoint, Handover
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.rejected import rejected_message
from pipeline.wire.windows import decode_window


@dataclass(frozen=True)
class ScoreTopics:
    """Where windows come from, and where predictions and windows that cannot be scored go."""

    windows: str
    predictions: str
    rejected: str


class ScoreStage:
    """Implements `pipeline.stages.protocol.Stage`. Scores windows made by `policy` over `sensors`; all others are rejected."""

    name = "score"
    keeps_state = False
    tick_interval_ms: int | None = None

    def __init__(self, topics: ScoreTopics, scorer: Scorer, policy: WindowPolicy, sensors: tuple[str, ...]) -> None:
        self.source = topics.windows
        self._topics = topics
        self._scorer = scorer
        self._sensors = sensors
        self._spec_id = policy.spec_id(sensors)
        self._next: dict[int, int] = {}
        self._counts: Counter[str] = Counter()

    def assign(self, handover: Handover) -> None:
        self._next[handover.partition] = handover.offset

    def revoke(self, partition: int) -> None:
        self._next.pop(partition, None)

    def step(self, records: Sequence[Record], now_ms: int) -> list[Message]:
        # By record: its message, or nothing; a window's place is filled in once all are scored.
        out: list[Message | None] = [None] * len(records)
        scorable: list[tuple[int, Window]] = []
        for place, record in enumerate(records):
            self._next[record.partition] = record.offset + 1
            match self._examine(record):
                case Window() as window:
                    scorable.append((place, window))
                case Rejection() as rejection:
                    out[place] = self._reject(record, rejection)
        if scorable:
            self._score(scorable, records, out, now_ms)
        return [message for message in out if message is not None]

    def tick(self, partition: int) -> Message | None:
        return None

    def unsaved_bytes(self) -> int:
        return 0

    def checkpoint(self, partition: int) -> Checkpoint:
        return Checkpoint(Position(partition, self._next[partition]))

    def committed(self, partition: int) -> Sequence[Write]:
        return ()

    def drain(self, partition: int, now_ms: int) -> list[Message]:
        return []

    def counts(self) -> Mapping[str, int]:
        return self._counts

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

    def _reject(self, record: Record, rejection: Rejection) -> Message:
        self._counts[f"rejected_{rejection.reason}"] += 1
        return rejected_message(self._topics.rejected, record, rejection)

    def _score(self, scorable: list[tuple[int, Window]], records: Sequence[Record], out: list[Message | None], now_ms: int) -> None:
        scores = self._scorer.score([window for _, window in scorable])
        numbers = scores.outputs.astype(np.float64).tolist()
        for index, (place, window) in enumerate(scorable):
            if index in scores.errors:
                out[place] = self._reject(records[place], Rejection(RejectReason.MODEL, scores.errors[index]))
                continue
            outputs = dict(zip(self._scorer.output_names, numbers[index], strict=True))
            prediction = self._prediction(window, outputs, int(scores.padded_to[index]), now_ms)
            out[place] = Message(self._topics.predictions, window.device.encode(), encode_prediction(prediction))
        self._counts["scored"] += len(scorable) - len(scores.errors)
        for count in ("collisions", "padded_cells", "real_cells"):
            self._counts[count] += getattr(scores, count)

    def _prediction(self, window: Window, outputs: dict[str, float], padded_to: int, now_ms: int) -> Prediction:
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
            outputs=outputs,
            model=model,
            source=window.source,
            padded_to=padded_to,
            times=PredictionTimes(window.source.last_arrival, now_ms),
        )


def prediction_id(window: Window, model_sha256: str) -> str:
    """The same for each scoring of one content of a window by one model."""
    parts = f"{window.id}\n{window.sequence}\n{window.revision}\n{model_sha256}"
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()

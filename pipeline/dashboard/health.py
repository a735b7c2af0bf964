"""How the pipeline does: rates, delays, batches, padding, refusals, models, from the records alone. No I/O, no clock."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.dashboard.contents import window_key
from pipeline.dashboard.views import Health, ModelView, Quantiles, RefusedView
from pipeline.records import Prediction, Window

KINDS = ("readings", "windows", "predictions", "alerts", "rejected")
BIN_S = 5
BINS = 120
RATE_BINS = 60 // BIN_S
LAST = 1_000  # values that quantiles are of
MOST_WAITING = 20_000
SAMPLES = 4


class HealthModel:
    """What has been seen of the pipeline as a whole."""

    def __init__(self) -> None:
        self._bins: dict[str, Counter[int]] = {kind: Counter() for kind in KINDS}
        self._newest: dict[str, int | None] = dict.fromkeys(KINDS)
        self._waiting: OrderedDict[str, tuple[int, int | None]] = OrderedDict()  # by window: its log time and its closing reading's
        self._early: OrderedDict[str, None] = OrderedDict()  # predictions seen before their windows
        self._delays: deque[float] = deque(maxlen=LAST)
        self._scoring: deque[float] = deque(maxlen=LAST)
        self._batches: deque[int] = deque(maxlen=LAST)
        self._batch: tuple[int, int] = (0, 0)  # when the last batch was scored, and its windows up to now
        self._cells: deque[tuple[int, int]] = deque(maxlen=LAST)  # steps with padding and without
        self._closed: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._samples: dict[str, deque[RefusedView]] = defaultdict(lambda: deque(maxlen=SAMPLES))
        self._models: dict[str, ModelView] = {}

    def count(self, kind: str, logged: int, number: int = 1) -> None:
        """`number` things of a kind in a record with this log time."""
        bins = self._bins[kind]
        bins[logged // (1000 * BIN_S)] += number
        if len(bins) > 2 * BINS:
            for old in sorted(bins)[:-BINS]:
                del bins[old]
        self._newest[kind] = max(logged, self._newest[kind] or logged)

    def close(self, window: Window, logged: int, closing: int | None) -> None:
        """A window; `closing` is the log time of the reading that closed it, where it is known."""
        self._closed[window.reason] += 1
        key = window_key(window.id, window.sequence, window.revision)
        if window.too_short or self._early.pop(key, self) is None:
            return
        self._waiting.setdefault(key, (logged, closing))
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)

    def score(self, prediction: Prediction, logged: int) -> None:
        """A prediction."""
        window, model = prediction.window, prediction.model
        key = window_key(window.id, window.sequence, window.revision)
        found = self._waiting.pop(key, None)
        if found is None:
            self._early[key] = None
            if len(self._early) > LAST:
                self._early.popitem(last=False)
        else:
            self._scoring.append(logged - found[0])
            if found[1] is not None:
                self._delays.append(logged - found[1])
        self._cells.append((max(prediction.padded_to, window.length), window.length))
        self._count_batch(prediction.times.scored)
        seen = self._models.setdefault(model.sha256, ModelView(model.name, model.version, model.engine, model.sha256, 0, logged))
        seen.predictions, seen.last, seen.engine = seen.predictions + 1, logged, model.engine

    def refuse(self, view: RefusedView, key: str | None) -> None:
        """A rejected record; `key` is that of a window."""
        self._refused[view.reason] += 1
        self._samples[view.reason].append(view)
        if key is not None:
            self._waiting.pop(key, None)

    def view(self, now_ms: int, behind: Mapping[str, int], skipped: int) -> Health:
        """All of it, at a time."""
        last = now_ms // (1000 * BIN_S)
        history = {kind: [bins[place] / BIN_S for place in range(last - BINS, last)] for kind, bins in self._bins.items()}
        padded = sum(cells for cells, _ in self._cells)
        real = sum(cells for _, cells in self._cells)
        return Health(
            rates={kind: round(sum(values[-RATE_BINS:]) / RATE_BINS, 2) for kind, values in history.items()},
            history=history,
            bin_s=BIN_S,
            newest=dict(self._newest),
            behind=dict(behind),
            delay_ms=quantiles(self._delays),
            scoring_ms=quantiles(self._scoring),
            batch=quantiles(self._batches or [size for _, size in [self._batch] if size]),
            waiting=len(self._waiting),
            padding_ratio=round(padded / real, 3) if real else None,
            closed=dict(self._closed.most_common()),
            refused=dict(self._refused.most_common()),
            samples={reason: list(reversed(views)) for reason, views in self._samples.items()},
            models=sorted(self._models.values(), key=lambda model: -model.last),
            skipped=skipped,
        )

    def _count_batch(self, scored: int) -> None:
        """Windows that were scored at once have the same time of scoring."""
        begun, size = self._batch
        if begun == scored:
            self._batch = (begun, size + 1)
            return
        if size:
            self._batches.append(size)
        self._batch = (scored, 1)


def quantiles(values: Sequence[float] | deque[Any]) -> Quantiles:
    """Median, 95th percentile and maximum."""
    if not values:
        return Quantiles(0, None, None, None)
    median, p95, most = np.percentile(np.asarray(values, np.float64), [50, 95, 100]).tolist()
    return Quantiles(len(values), round(median, 1), round(p95, 1), round(most, 1))

"""What is kept of one device: its last readings, windows, scores, alerts and refusals, each bounded. No codec, no clock."""

from __future__ import annotations

from collections import OrderedDict, deque

from pipeline.dashboard.readings import WHOLE, Readings
from pipeline.dashboard.views import AlertView, DeviceView, RefusedView, Row, ScoreView, WindowView
from pipeline.records import AlertState

MOST_READINGS = 512
MOST_WINDOWS = 48
MOST_SCORES = 128
MOST_ALERTS = 32
MOST_REFUSED = 32
MOST_UNMET = 64


class Track:
    """One device. `version` is that of the model when it last changed."""

    def __init__(self, device: str, sensors: int) -> None:
        self.device = device
        self.version = 0
        self.heard: int | None = None  # by log time
        self.time: int | None = None
        self.lag: int | None = None
        self.refused_total = 0
        self._readings = Readings(sensors, MOST_READINGS)
        self._windows: OrderedDict[str, WindowView] = OrderedDict()
        self._scores: dict[str, ScoreView] = {}
        self._holding: dict[str, AlertView] = {}  # by rule
        self._alerts: deque[AlertView] = deque(maxlen=MOST_ALERTS)
        self._refused: deque[RefusedView] = deque(maxlen=MOST_REFUSED)
        self._unmet: deque[tuple[int, int]] = deque(maxlen=MOST_UNMET)  # refusals of readings that have not come yet
        self._closed_through: int | None = None
        self._open: tuple[int, int, int | None] = (-1, 0, None)  # of a version: steps since the last window, and the first of them
        self.main_score: float | None = None
        self.scored: int | None = None

    @property
    def alerts(self) -> tuple[str, ...]:
        """The rules that hold now."""
        return tuple(self._holding)

    def read(self, time: int, row: bytes, place: tuple[int, int], heard: int, lag: int) -> None:
        """One reading; `place` is its offset and index, `heard` and `lag` are its record's."""
        refused = place in self._unmet
        if refused:
            self._unmet.remove(place)
        self._readings.add(time, row, *place, refused=refused)
        self.heard, self.time, self.lag = heard, time, lag

    def refuse(self, view: RefusedView, place: tuple[int, int] | None) -> None:
        """A rejected record; `place` is that of a reading, which may come later."""
        self.refused_total += 1
        self._refused.append(view)
        if place is not None:
            self._readings.refuse(*place)
            self._unmet.append(place)

    def close(self, view: WindowView) -> None:
        """A window, or another sequence or revision of one."""
        known = self._windows.get(view.id)
        if known is not None and known.key == view.key:
            return
        self._windows[view.id] = view
        if len(self._windows) > MOST_WINDOWS:
            self._windows.popitem(last=False)
        if view.final and (self._closed_through is None or view.last > self._closed_through):
            self._closed_through = view.last

    def score(self, view: ScoreView, window: str, key: str, padded_to: int, scored: int) -> None:
        """A prediction of the window `window`, if it is still here; `key` names its sequence and revision."""
        main = view.values[0] if view.values else None
        if view.id not in self._scores:
            self._scores[view.id] = view
            if len(self._scores) > MOST_SCORES:
                del self._scores[next(iter(self._scores))]
        self.main_score, self.scored = main, scored
        found = self._windows.get(window)
        if found is not None and found.key == key:
            found.padded_to, found.prediction, found.score = padded_to, view.id, main

    def alert(self, view: AlertView) -> None:
        """A rule began or ceased to hold."""
        if view.state == AlertState.RAISED:
            self._holding[view.rule] = view
        else:
            self._holding.pop(view.rule, None)
        if not any(known.id == view.id and known.state == view.state for known in self._alerts):
            self._alerts.append(view)

    def window(self, key: str) -> WindowView | None:
        """One of its windows, by id, sequence and revision."""
        return next((view for view in self._windows.values() if view.key == key), None)

    def row(self, nearness: float) -> Row:
        """The device in the view of the fleet; `nearness` is how near its score is to a limit."""
        if self._open[0] != self.version:
            self._open = (self.version, *self._readings.steps_after(self._closed_through))
        _, steps, since = self._open
        scores = (self.main_score, self.scored)
        return Row(self.device, self.heard, self.time, self.lag, steps, since, *scores, self.alerts, self.refused_total, round(nearness, 3))

    def view(self, nearness: float) -> DeviceView:
        """Everything."""
        return DeviceView(
            self.row(nearness),
            self._readings.shown(),
            list(self._windows.values()),
            list(self._scores.values()),
            list(self._alerts),
            list(self._refused),
        )


def place_of(offset: int, index: int | None) -> tuple[int, int]:
    """Where a reading is: the offset of its record, and its place in a batch."""
    return offset, WHOLE if index is None else index

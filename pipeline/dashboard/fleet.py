"""The model of the fleet: records of the topics in, view values out. Bounded, whatever comes. No I/O, no clock.

It knows what the log shows and no more: where the stages are is told by what they have written.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence

from pipeline.dashboard.contents import Contents, window_key, window_view
from pipeline.dashboard.track import Track, place_of
from pipeline.dashboard.views import (
    AlertView,
    DeviceView,
    Fleet,
    GroupView,
    Limit,
    RefusedView,
    Row,
    ScoreView,
    WindowContent,
)
from pipeline.records import Alert, AlertState, Prediction, Window

MOST_DEVICES = 5_000
MOST_GONE = 10_000


class FleetModel:
    """The devices that were heard of last, at most `most_devices`."""

    def __init__(self, sensors: Sequence[str], limits: Sequence[Limit] = (), most_devices: int = MOST_DEVICES) -> None:
        self._sensors = len(sensors)
        self._limits = tuple(limits)
        self._most_devices = most_devices
        self._tracks: OrderedDict[str, Track] = OrderedDict()  # who was heard of last is last
        self._contents = Contents()
        self._gone: deque[tuple[int, str]] = deque(maxlen=MOST_GONE)
        self._groups: dict[tuple[str, str], GroupView] = {}
        self._spread: dict[str, tuple[float, float]] = {}  # by output: the lowest and the highest score
        self._outputs: dict[str, dict[str, float]] = {}  # by device: of its last final prediction
        self._names: dict[tuple[str, ...], tuple[str, ...]] = {}  # of outputs, each once
        self._version = 0

    def read(self, device: str, rows: Sequence[tuple[int, int | None, bytes]], offset: int, heard: int, arrival: int) -> None:
        """The readings of one record: event time, index in a batch (None: no batch) and row of each."""
        track = self._touch(device)
        for time, index, row in rows:
            track.read(time, row, place_of(offset, index), heard, arrival - time)

    def refuse(self, view: RefusedView, place: tuple[int, int] | None) -> None:
        """A rejected record; `place` is that of a reading."""
        if view.device is not None:
            self._touch(view.device).refuse(view, place)

    def close(self, window: Window, value: bytes) -> None:
        """A window, with its bytes on the topic."""
        track = self._touch(window.device)
        view = window_view(window)
        track.close(view)
        self._contents.keep(view.key, value)

    def score(self, prediction: Prediction) -> None:
        """A prediction."""
        track = self._touch(prediction.device)
        for name, value in prediction.outputs.items():
            low, high = self._spread.get(name, (value, value))
            self._spread[name] = (min(low, value), max(high, value))
        about, names = prediction.window, tuple(prediction.outputs)
        names = self._names.setdefault(names, names)
        view = ScoreView(prediction.id, about.end, names, tuple(prediction.outputs.values()), about.final)
        key = window_key(about.id, about.sequence, about.revision)
        track.score(view, about.id, key, prediction.padded_to, prediction.times.scored)
        if prediction.steps:
            self._contents.keep_weights(key, prediction.steps)
        self._outputs[prediction.device] = prediction.outputs

    def alert(self, alert: Alert) -> None:
        """A rule began or ceased to hold for a device or a group."""
        if alert.devices or (alert.device, alert.rule) in self._groups:
            self._alert_of_group(alert)
            return
        self._touch(alert.device).alert(
            AlertView(alert.id, alert.rule, alert.state, alert.since, alert.time, alert.value, alert.predictions)
        )

    def fleet(self, since: int = 0) -> Fleet:
        """The devices that have changed since a version, the worst first; since 0 or long ago: all."""
        whole = since == 0 or (len(self._gone) == MOST_GONE and self._gone[0][0] > since)
        rows = [self._row(track) for track in self._tracks.values() if whole or track.version > since]
        rows.sort(key=lambda row: (-len(row.alerts), -row.nearness, row.device))
        gone = [] if whole else [device for version, device in self._gone if version > since and device not in self._tracks]
        return Fleet(self._version, whole, len(self._tracks), rows, gone, list(self._groups.values()))

    def device(self, name: str) -> DeviceView | None:
        """Everything about one device; None where nothing is known of it."""
        track = self._tracks.get(name)
        return None if track is None else track.view(self._nearness(track))

    def content(self, device: str, key: str) -> WindowContent | None:
        """The steps of one of its windows; None where they are not kept any more."""
        track = self._tracks.get(device)
        view = track.window(key) if track is not None else None
        return None if view is None else self._contents.steps(view)

    def _touch(self, device: str) -> Track:
        self._version += 1
        track = self._tracks.get(device)
        if track is None:
            track = self._tracks[device] = Track(device, self._sensors)
            for forgotten in self._too_many():
                del self._tracks[forgotten]
                self._outputs.pop(forgotten, None)
                self._gone.append((self._version, forgotten))
        else:
            self._tracks.move_to_end(device)
        track.version = self._version
        return track

    def _too_many(self) -> Iterator[str]:
        if len(self._tracks) > self._most_devices:
            # Who has an alert stays, if anybody has none.
            quiet = (device for device, track in self._tracks.items() if not track.alerts)
            yield next(quiet, next(iter(self._tracks)))

    def _alert_of_group(self, alert: Alert) -> None:
        self._version += 1
        key = (alert.device, alert.rule)
        if alert.state is AlertState.RAISED:
            self._groups[key] = GroupView(alert.device, alert.rule, alert.since, alert.devices)
        else:
            self._groups.pop(key, None)

    def _row(self, track: Track) -> Row:
        return track.row(self._nearness(track))

    def _nearness(self, track: Track) -> float:
        """How near its last score is to the nearest limit: 1 at the limit or beyond, 0 as far from it as any score was."""
        outputs = self._outputs.get(track.device, {})
        near = [
            limit_nearness(limit, outputs[limit.output], *self._spread[limit.output]) for limit in self._limits if limit.output in outputs
        ]
        return max(near, default=0.0)


def limit_nearness(limit: Limit, value: float, lowest: float, highest: float) -> float:
    """1 at the limit or beyond it, 0 at the best score there was, and in proportion between.

    >>> limit_nearness(Limit("wear", above=0.8), 0.6, 0.4, 0.9)
    0.5
    """
    found = []
    if limit.above is not None:
        found.append((value - lowest) / (limit.above - lowest) if limit.above > lowest else 1.0)
    if limit.below is not None:
        found.append((highest - value) / (highest - limit.below) if highest > limit.below else 1.0)
    return round(min(max(found, default=0.0), 1.0), 9)

"""What the windows of a log are, by the text of the design's section on time and windows; slow and plain on purpose.

It shares nothing with the windower but the policy and the name of a window: all of an episode is kept, and everything is
sorted again whenever it is looked at. Where the two differ, one of them is wrong by the design.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.brokers.protocol import Record
from pipeline.core.build import window_id
from pipeline.core.policy import Count, Hopping, Keep, Overflow, Session, Tumbling, WindowPolicy
from pipeline.records import Window
from pipeline.wire.windows import window_rows, window_times

Values = dict[str, float]
Shown = tuple[str, int, int, str, tuple[int, ...], tuple[tuple[float | None, ...], ...], int]
"""(id, sequence, revision, reason, times, values, dropped)"""


def shown(window: Window) -> Shown:
    """A published window in the oracle's terms."""
    rows = tuple(tuple(row) for row in window_rows(window))
    return window.id, window.sequence, window.revision, str(window.reason), window_times(window), rows, window.dropped


def windows_of(log: Iterable[Record], policy: WindowPolicy, sensors: Sequence[str]) -> list[Shown]:
    """Every window that the log of one partition makes, early ones and revisions too, in no particular order."""
    oracle = _Oracle(policy, tuple(sensors))
    for record in log:
        oracle.take(record)
    return oracle.published


@dataclass(eq=False)
class _Window:
    """Open while `reason` is empty."""

    place: int  # aligned start; 0 for sessions
    name: tuple[int, int] | None = None  # from its first step that is not carried
    steps: dict[int, Values] = field(default_factory=dict)
    carried: int = 0
    given: int = 0
    dropped: int = 0
    sequence: int = 0
    revision: int = 0
    latest: int = 0  # of all that it was given
    reason: str = ""

    @property
    def first(self) -> int:
        return min(self.steps)

    @property
    def last(self) -> int:
        return max(self.steps)


@dataclass
class _Episode:
    device: str
    birth: int
    heard: int
    watermark: int
    pending: dict[int, Values] = field(default_factory=dict)
    windows: list[_Window] = field(default_factory=list)  # open and closed ones
    final: list[tuple[int, Values]] = field(default_factory=list)  # count: all final steps
    shown: int = 0  # count: number of the last step that was published
    named: dict[int, int] = field(default_factory=dict)  # names given so far, by place


class _Oracle:
    def __init__(self, policy: WindowPolicy, sensors: tuple[str, ...]) -> None:
        self.published: list[Shown] = []
        self._policy = policy
        self._shape = policy.shape
        self._sensors = sensors
        self._spec = policy.spec_id(sensors)
        self._split = policy.overflow is Overflow.SPLIT
        self._max_duration = float("inf") if policy.max_duration_ms is None else policy.max_duration_ms
        self._now: int | None = None
        self._now_by_header = False
        self._episodes: dict[str, _Episode] = {}

    # The two clocks

    def take(self, record: Record) -> None:
        headers = dict(record.headers)
        by_header = "arrival" in headers
        if by_header and not headers["arrival"].isdigit():
            return
        arrival = int(headers["arrival"]) if by_header else record.timestamp
        is_tick = record.value is None and not record.key
        if is_tick and "reset" in headers:
            for device in list(self._episodes):
                self._end(device, "reset")
            self._now, self._now_by_header = arrival, True
            return
        if is_tick and not by_header and self._now_by_header:
            return
        if self._now is None or arrival > self._now:
            self._now, self._now_by_header = arrival, by_header
        for device, episode in list(self._episodes.items()):
            if episode.heard + self._policy.idle_timeout_ms <= self._now:
                self._end(device, "idle")
        for time, values in self._readings(record):
            self._read(record.key.decode() if record.key else "", time, values, arrival)

    def _readings(self, record: Record) -> list[tuple[int, Values]]:
        """The good readings of a record."""
        try:
            body = json.loads(record.value or b"")
        except ValueError:
            return []
        if record.key != body["device"].encode():
            return []
        if "times" in body:
            columns = body["values"]
            if any(len(column) != len(body["times"]) for column in columns.values()):
                return []
            rows = [(time, {sensor: columns[sensor][i] for sensor in columns}) for i, time in enumerate(body["times"])]
        else:
            rows = [(body["time"], body["values"])]
        known = [(time, {s: _float32(row[s]) for s in self._sensors if row.get(s) is not None}) for time, row in rows]
        return [(time, values) for time, values in known if values]

    def _read(self, device: str, time: int, values: Values, arrival: int) -> None:
        policy, now = self._policy, self._now
        assert now is not None
        if policy.max_ahead_ms is not None and time > arrival + policy.max_ahead_ms:
            return
        if policy.max_behind_ms is not None and time < arrival - policy.max_behind_ms:
            return
        episode = self._episodes.get(device)
        if episode is None:
            episode = self._episodes[device] = _Episode(device, now, now, time - policy.out_of_orderness_ms)
        if time < episode.watermark:
            if time >= episode.watermark - policy.allowed_lateness_ms:
                self._late(episode, time, values)
            return
        episode.heard = now
        episode.pending[time] = episode.pending.get(time, {}) | values
        episode.watermark = max(episode.watermark, time - policy.out_of_orderness_ms)
        waiting = sorted(t for t in episode.pending if t >= episode.watermark)
        if len(waiting) > policy.max_pending:
            episode.watermark = waiting[0] + 1
        self._release(episode, episode.watermark)
        self._close_passed(episode, episode.watermark)

    def _end(self, device: str, reason: str) -> None:
        episode = self._episodes.pop(device)
        self._release(episode, float("inf"))
        for window in _open(episode):
            self._close(episode, window, reason)
        if len(episode.final) > episode.shown:
            self._publish_count(episode, reason)

    # Segmenting

    def _release(self, episode: _Episode, watermark: float) -> None:
        for time in sorted(t for t in episode.pending if t < watermark):
            values = episode.pending.pop(time)
            if isinstance(self._shape, Count):
                self._count(episode, time, values)
                continue
            self._close_before(episode, time)
            for place in self._places(time):
                window = next((w for w in _open(episode) if w.place == place), None)
                self._put(episode, window or _begin(episode, place), time, values)

    def _places(self, time: int) -> list[int]:
        """Starts of the windows that contain a time; a session has none and counts as one place."""
        match self._shape:
            case Tumbling(size):
                return [time // size * size]
            case Hopping(size, step):
                return [start for start in range((time - size) // step * step, time + 1, step) if start <= time < start + size]
        return [0]

    def _close_before(self, episode: _Episode, time: int) -> None:
        """The next step is at `time`: what it cannot belong to closes by its own kind's rule."""
        for window in _open(episode):
            if isinstance(self._shape, Session) and window.latest + self._shape.gap_ms < time:
                self._close(episode, window, "gap")
            if isinstance(self._shape, Tumbling | Hopping) and window.place + self._shape.size_ms <= time:
                self._close(episode, window, "size")

    def _close_passed(self, episode: _Episode, watermark: int) -> None:
        self._close_before(episode, watermark)  # the rule for a watermark is the same: a session at > last + gap, a place at >= its end

    def _put(self, episode: _Episode, window: _Window, time: int, values: Values) -> None:
        if self._split and window.steps and time > window.first + self._max_duration:
            if window.name is not None:
                window = self._split_off(episode, window, "max_duration")
            while window.steps and time > window.first + self._max_duration:
                del window.steps[window.first]
                window.carried, window.given = window.carried - 1, window.given - 1
        if window.name is None:
            number = episode.named[window.place] = episode.named.get(window.place, 0) + 1
            window.name = (number, 0) if isinstance(self._shape, Session) else (window.place, number)
        window.latest = time
        if not self._split and self._policy.keep is Keep.FIRST and window.steps and not self._has_room(window, time):
            window.dropped += 1
            return
        window.steps[time] = values
        window.given += 1
        while not self._split and (len(window.steps) > self._policy.max_length or window.last - window.first > self._max_duration):
            del window.steps[window.first]
            window.dropped += 1
        self._grown(episode, window)

    def _grown(self, episode: _Episode, window: _Window) -> None:
        if self._policy.emit_every and window.given % self._policy.emit_every == 0:
            window.sequence += 1
            self._publish(episode, window, "early")
        if self._split and len(window.steps) >= self._policy.max_length:
            self._split_off(episode, window, "max_length")

    def _split_off(self, episode: _Episode, window: _Window, reason: str) -> _Window:
        """Closes it and gives what comes after: a window of the carried steps."""
        self._close(episode, window, reason)
        after = _Window(window.place, latest=window.latest)
        carried = sorted(window.steps)[-self._policy.carry :] if self._policy.carry else []
        after.steps = {time: window.steps[time] for time in carried}
        after.carried = after.given = len(carried)
        episode.windows.append(after)
        return after

    def _has_room(self, window: _Window, time: int) -> bool:
        times = [*window.steps, time]
        return len(times) <= self._policy.max_length and max(times) - min(times) <= self._max_duration

    def _close(self, episode: _Episode, window: _Window, reason: str) -> None:
        if window.name is None:  # carried steps only
            episode.windows.remove(window)
            return
        window.sequence += 1
        window.reason = reason
        self._publish(episode, window, reason)

    def _count(self, episode: _Episode, time: int, values: Values) -> None:
        assert isinstance(self._shape, Count)
        size, step = self._shape.size, self._shape.step
        episode.final.append((time, values))
        i = len(episode.final)
        if i >= size and (i - size) % step == 0:
            self._publish_count(episode, "size")
        elif self._shape.partial_start and i < size and i % step == 0:
            self._publish_count(episode, "partial")

    # Lateness

    def _late(self, episode: _Episode, time: int, values: Values) -> None:
        match self._shape:
            case Session(gap):
                takes = [self._nearest(episode, 0, time, gap)]
            case Tumbling() | Hopping():
                takes = [self._nearest(episode, place, time, float("inf")) for place in self._places(time)]
            case Count():
                return
        if any(w is not None and time not in w.steps and not self._has_room(w, time) for w in takes):
            return
        for place, window in zip(self._places(time), takes, strict=True):
            if window is not None:
                self._insert(episode, window, time, values)
            else:
                unbegun = next((w for w in _open(episode) if w.place == place and w.name is None), None)
                self._put(episode, unbegun or _begin(episode, place), time, values)
                self._close_passed(episode, episode.watermark)

    def _nearest(self, episode: _Episode, place: int, time: int, reach: float) -> _Window | None:
        """The open or closed window at the place whose span is nearest, at most `reach` away; a tie: the earlier."""
        near = [(max(w.first - time, time - self._span_end(w), 0), w.first, w) for w in episode.windows if w.place == place and w.steps]
        return min([found for found in near if found[0] <= reach], key=lambda found: found[:2], default=(0, 0, None))[2]

    def _span_end(self, window: _Window) -> int:
        """A session's dropped steps held it open, so they belong to its span."""
        return window.latest if isinstance(self._shape, Session) else window.last

    def _insert(self, episode: _Episode, window: _Window, time: int, values: Values) -> None:
        before = window.steps.get(time)
        window.steps[time] = (before or {}) | values
        if before is None:
            window.given += 1
            window.latest = max(window.latest, time)
        if window.reason and window.steps[time] != before:
            window.revision += 1
            self._publish(episode, window, window.reason)
        if not window.reason and before is None:
            self._grown(episode, window)

    # Publishing

    def _publish_count(self, episode: _Episode, reason: str) -> None:
        assert isinstance(self._shape, Count)
        number = episode.named[0] = episode.named.get(0, 0) + 1
        episode.shown = len(episode.final)
        window = _Window(0, (number, 0), dict(episode.final[-self._shape.size :]), sequence=1)
        self._publish(episode, window, reason)

    def _publish(self, episode: _Episode, window: _Window, reason: str) -> None:
        assert window.name is not None
        times = tuple(sorted(window.steps))
        values = tuple(tuple(window.steps[time].get(sensor) for sensor in self._sensors) for time in times)
        name = window_id(self._spec, episode.device, episode.birth, window.name)
        self.published.append((name, window.sequence, window.revision, reason, times, values, window.dropped))


def _begin(episode: _Episode, place: int) -> _Window:
    window = _Window(place)
    episode.windows.append(window)
    return window


def _open(episode: _Episode) -> list[_Window]:
    """A place's windows that still take steps, in the order of their places."""
    return sorted([window for window in episode.windows if not window.reason], key=lambda window: window.place)


def _float32(value: float) -> float:
    number: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return number

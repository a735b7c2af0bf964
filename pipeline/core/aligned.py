"""Tumbling and hopping windows: [start, start + size_ms), for every start that is a multiple of step_ms."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.core.build import WindowBuilder
from pipeline.core.episode import Episode, WindowState
from pipeline.core.filling import Filler, Late
from pipeline.core.policy import WindowPolicy
from pipeline.core.step import RowFormat, Step
from pipeline.records import CloseReason, Window


class AlignedSegmenter:
    """A place stays open until the watermark reaches its end, so that the chunks split off it are numbered in one row."""

    def __init__(self, size_ms: int, step_ms: int, policy: WindowPolicy, builder: WindowBuilder, rows: RowFormat) -> None:
        self._size_ms = size_ms
        self._step_ms = step_ms
        self._allowed_lateness_ms = policy.allowed_lateness_ms
        self._filler = Filler(policy, builder, rows, _name)

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        self._close_until(episode, step.time, closed)
        # What is open has had an earlier step and still contains this one: only later places can be missing.
        last = episode.windows[-1].place if episode.windows else None
        episode.windows += [WindowState(place) for place in self._places(step.time) if last is None or place > last]
        return sum([self._filler.put(episode, window, step, closed) for window in episode.windows])

    def add_late(self, episode: Episode, step: Step, closed: list[Window]) -> Late:
        """Every place that contains it and can still be reached takes it: the nearest chunk there, or a new window.

        All or none: where one of them has no room, the step is refused.
        """
        reach = episode.watermark - self._allowed_lateness_ms
        chunks = {place: self._chunk(episode, place, step.time) for place in self._places(step.time) if place + self._size_ms > reach}
        if not all(window is None or self._filler.accepts(window, step) for window in chunks.values()):
            return Late.REFUSED
        taken = [self._take_late(episode, place, window, step, closed) for place, window in chunks.items()]
        return Late.MERGED if Late.MERGED in taken else Late.TAKEN

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        self._close_until(episode, episode.watermark, closed)
        if episode.kept:
            reach = episode.watermark - self._allowed_lateness_ms
            # Closed last may be an older one, made by a late step. It may stay until it comes up: past the reach none takes a step.
            while episode.kept and episode.kept[0].place + self._size_ms <= reach:
                del episode.kept[0]

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        for window in episode.windows:
            self._filler.close(episode, window, reason, closed)
        episode.windows.clear()

    def _places(self, time: int) -> Sequence[int]:
        last = time - time % self._step_ms
        return range(last - self._size_ms + self._step_ms, last + 1, self._step_ms)

    def _close_until(self, episode: Episode, time: int, closed: list[Window]) -> None:
        while episode.windows and episode.windows[0].place + self._size_ms <= time:
            self._filler.close(episode, episode.windows.pop(0), CloseReason.SIZE, closed)

    def _chunk(self, episode: Episode, place: int, time: int) -> WindowState | None:
        chunks = [window for window in [*episode.kept, *episode.windows] if window.place == place and window.steps]
        return min(
            chunks, key=lambda window: (max(window.steps[0].time - time, time - window.steps[-1].time, 0), window.chunk), default=None
        )

    def _take_late(self, episode: Episode, place: int, window: WindowState | None, step: Step, closed: list[Window]) -> Late:
        if window is not None:
            return self._filler.insert(episode, window, step, closed)
        window = next((opened for opened in episode.windows if opened.place == place), None) or WindowState(place)
        self._filler.put(episode, window, step, closed)
        if place + self._size_ms <= episode.watermark:
            self._filler.close(episode, window, CloseReason.SIZE, closed)
        elif window not in episode.windows:
            episode.windows = sorted([*episode.windows, window], key=lambda opened: opened.place)
        return Late.TAKEN


def _name(episode: Episode, window: WindowState) -> None:
    window.chunk += 1

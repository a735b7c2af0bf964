"""Session windows: a step at most `gap_ms` after the one before it belongs to its window."""

from __future__ import annotations

from pipeline.core.build import WindowBuilder
from pipeline.core.episode import Episode, WindowState
from pipeline.core.filling import Filler, Late
from pipeline.core.policy import WindowPolicy
from pipeline.core.step import RowFormat, Step
from pipeline.records import CloseReason, Window


class SessionSegmenter:
    """An episode has one open session, empty between sessions. Its ordinal counts the sessions in the order they began in."""

    def __init__(self, gap_ms: int, policy: WindowPolicy, builder: WindowBuilder, rows: RowFormat) -> None:
        self._gap_ms = gap_ms
        self._allowed_lateness_ms = policy.allowed_lateness_ms
        self._filler = Filler(policy, builder, rows, _name)

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        window = self._open(episode)
        if window.steps and step.time > window.latest + self._gap_ms:
            self._filler.close(episode, window, CloseReason.GAP, closed)
        return self._filler.put(episode, window, step, closed)

    def add_late(self, episode: Episode, step: Step, closed: list[Window]) -> Late:
        """The nearest window within whose gap it falls, of two equally near the earlier; where there is none, its own."""
        near = [
            (distance, window) for window in [*episode.kept, *episode.windows] if (distance := _distance(window, step.time)) <= self._gap_ms
        ]
        if near:
            _, window = min(near, key=lambda found: (found[0], found[1].steps[0].time))
            return self._filler.insert(episode, window, step, closed)
        window = self._open(episode)
        if window.steps or episode.watermark > step.time + self._gap_ms:
            window = WindowState(0)
        self._filler.put(episode, window, step, closed)
        if window is not episode.windows[0]:
            self._filler.close(episode, window, CloseReason.GAP, closed)
        return Late.TAKEN

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        if episode.windows:
            window = episode.windows[0]
            if window.steps and episode.watermark > window.latest + self._gap_ms:
                self._filler.close(episode, window, CloseReason.GAP, closed)
        if episode.kept:
            reach = episode.watermark - self._allowed_lateness_ms
            # Closed last may be an older one, made by a late step. It may stay until it comes up: past the reach none takes a step.
            while episode.kept and episode.kept[0].latest + self._gap_ms < reach:
                del episode.kept[0]

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        if episode.windows:
            self._filler.close(episode, episode.windows[0], reason, closed)

    def _open(self, episode: Episode) -> WindowState:
        if not episode.windows:
            episode.windows.append(WindowState(0))
        return episode.windows[0]


def _name(episode: Episode, window: WindowState) -> None:
    episode.ordinal += 1
    window.place = episode.ordinal


def _distance(window: WindowState, time: int) -> float:
    """From a time to the span of a session, in ms. Steps that it dropped belong to its span: they held it open."""
    if not window.steps:
        return float("inf")
    return max(window.steps[0].time - time, time - window.latest, 0)

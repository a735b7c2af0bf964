"""Segmenters: from the final steps of one device, in time order, to windows. The rules of each kind of window.

A segmenter is shared by all devices of a partition; what it knows of a device is in the device's `Episode`.
Final steps arrive by `add`; `advance` says how far event time has come; `finish` ends the episode.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.core.build import WindowBuilder
from pipeline.core.caps import Caps
from pipeline.core.episode import Episode, OpenWindow
from pipeline.core.policy import Count, Session, Tumbling, WindowPolicy
from pipeline.core.step import Step
from pipeline.records import CloseReason, Window


class Segmenter(Protocol):
    """Each method appends the windows it closes to `closed`."""

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        """Takes the next final step; returns how many steps were dropped."""
        ...

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        """Closes what the episode's watermark has passed."""
        ...

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        """Closes everything."""
        ...


def segmenter(policy: WindowPolicy, builder: WindowBuilder) -> Segmenter:
    """The segmenter for the policy's shape."""
    match policy.shape:
        case Session(gap_ms):
            return SessionSegmenter(gap_ms, Caps(policy), builder)
        case Tumbling(size_ms):
            return AlignedSegmenter(size_ms, Caps(policy), builder)
        case Count():
            return CountSegmenter(policy.shape, builder)


class SessionSegmenter:
    """A step at most `gap_ms` after the one before it belongs to its window."""

    def __init__(self, gap_ms: int, caps: Caps, builder: WindowBuilder) -> None:
        self._gap_ms = gap_ms
        self._caps = caps
        self._builder = builder

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        if episode.windows:
            window = episode.windows[0]
            if step.time > window.latest + self._gap_ms:
                self._close(episode, CloseReason.GAP, closed)
            elif self._caps.splits_before(window, step.time):
                self._close(episode, CloseReason.MAX_DURATION, closed)
        if not episode.windows:
            episode.ordinal += 1
            episode.windows.append(OpenWindow(episode.ordinal))
        window = episode.windows[0]
        dropped = self._caps.append(window, step, episode.steps)
        if self._caps.splits_after(window):
            self._close(episode, CloseReason.MAX_LENGTH, closed)
        return dropped

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        if episode.windows and episode.watermark > episode.windows[0].latest + self._gap_ms:
            self._close(episode, CloseReason.GAP, closed)

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        if episode.windows:
            self._close(episode, reason, closed)

    def _close(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        closed.append(self._builder.build(episode, episode.windows.pop(), None, reason))


class AlignedSegmenter:
    """[start, start + size_ms), aligned to the epoch. A place stays open until the watermark reaches its end, so that the
    chunks split off it are numbered in one row."""

    def __init__(self, size_ms: int, caps: Caps, builder: WindowBuilder) -> None:
        self._size_ms = size_ms
        self._caps = caps
        self._builder = builder

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        start = step.time - step.time % self._size_ms
        if episode.windows and episode.windows[0].place != start:
            self._close(episode, CloseReason.SIZE, closed)
        if not episode.windows:
            episode.windows.append(OpenWindow(start))
        window = episode.windows[0]
        if self._caps.splits_before(window, step.time):
            window = self._split(episode, CloseReason.MAX_DURATION, closed)
        dropped = self._caps.append(window, step, episode.steps)
        if self._caps.splits_after(window):
            self._split(episode, CloseReason.MAX_LENGTH, closed)
        return dropped

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        if episode.windows and episode.watermark >= episode.windows[0].place + self._size_ms:
            self._close(episode, CloseReason.SIZE, closed)

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        if episode.windows:
            self._close(episode, reason, closed)

    def _split(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> OpenWindow:
        full = episode.windows[0]
        self._close(episode, reason, closed)
        rest = OpenWindow(full.place, full.chunk + 1)
        episode.windows.append(rest)
        return rest

    def _close(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        window = episode.windows.pop(0)
        if window.steps:
            closed.append(self._builder.build(episode, window, (window.place, window.place + self._size_ms), reason))


class CountSegmenter:
    """The last `size` steps, every `step` steps; with `partial_start` also the beginnings of an episode.

    With i the number of the step in its episode, from 1: a window is due when i >= size and (i - size) % step == 0, or,
    with `partial_start`, when i < size and i % step == 0.
    """

    def __init__(self, shape: Count, builder: WindowBuilder) -> None:
        self._shape = shape
        self._builder = builder

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        if not episode.windows:
            episode.windows.append(OpenWindow(0))
        recent = episode.windows[0].steps
        recent.append(step)
        if len(recent) > self._shape.size:
            del recent[0]
        size, stride, number = self._shape.size, self._shape.step, episode.steps
        if number >= size and (number - size) % stride == 0:
            self._publish(episode, CloseReason.SIZE, closed)
        elif self._shape.partial_start and number < size and number % stride == 0:
            self._publish(episode, CloseReason.PARTIAL, closed)
        return 0

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        """Event time closes no count window."""

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        if episode.steps > episode.published:
            self._publish(episode, reason, closed)

    def _publish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        episode.ordinal += 1
        episode.published = episode.steps
        window = episode.windows[0]
        window.place = episode.ordinal
        window.position = episode.steps - len(window.steps) + 1
        closed.append(self._builder.build(episode, window, None, reason))

"""Count windows: the last `size` steps, every `step` steps; with `partial_start` also the beginnings of an episode.

With i the number of the step in its episode, from 1: a window is due when i >= size and (i - size) % step == 0, or,
with `partial_start`, when i < size and i % step == 0.
"""

from __future__ import annotations

from pipeline.core.build import WindowBuilder
from pipeline.core.episode import Episode, WindowState
from pipeline.core.filling import Late
from pipeline.core.policy import Count
from pipeline.core.step import Step
from pipeline.records import CloseReason, Window


class CountSegmenter:
    """An episode has one state, of the last `size` steps, which is published again and again under new names."""

    def __init__(self, shape: Count, builder: WindowBuilder) -> None:
        self._shape = shape
        self._builder = builder

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        if not episode.windows:
            episode.windows.append(WindowState(0, sequence=1))
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

    def add_late(self, episode: Episode, step: Step, closed: list[Window]) -> Late:
        """Count windows know no lateness: a step's number is its place in the order of event time."""
        return Late.REFUSED

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
        closed.append(self._builder.build(episode, window, reason))

"""How a time window gets its steps, is published early, closes and is revised: what sessions and aligned windows share."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from enum import Enum
from operator import attrgetter

import msgspec

from pipeline.core.build import WindowBuilder
from pipeline.core.caps import Caps
from pipeline.core.episode import Episode, WindowState
from pipeline.core.policy import WindowPolicy
from pipeline.core.step import RowFormat, Step
from pipeline.records import CloseReason, Window

_time = attrgetter("time")


class Late(Enum):
    """What became of a late step."""

    REFUSED = "refused"
    MERGED = "merged"  # into a step of its time
    TAKEN = "taken"


class Filler:
    """Puts steps into windows. A window that closes begins again in the same state; `name` names it at its first own step.

    Each method appends the windows it publishes to `closed`.
    """

    def __init__(self, policy: WindowPolicy, builder: WindowBuilder, rows: RowFormat, name: Callable[[Episode, WindowState], None]) -> None:
        self._caps = Caps(policy)
        self._builder = builder
        self._rows = rows
        self._name = name
        self._emit_every = policy.emit_every
        self._keeps = policy.allowed_lateness_ms > 0

    def put(self, episode: Episode, window: WindowState, step: Step, closed: list[Window]) -> int:
        """The next step in time order; returns how many steps were dropped."""
        caps = self._caps
        if caps.splits_before(window, step.time):
            if window.own:
                self._split(episode, window, CloseReason.MAX_DURATION, closed)
            caps.fit(window, step.time)
        if not window.steps:
            window.position = episode.steps
        if len(window.steps) == window.carried:
            self._name(episode, window)
        if not caps.append(window, step):
            return 1
        dropped = 0 if caps.splits else caps.drop_oldest(window)
        self._grown(episode, window, closed)
        return dropped

    def close(self, episode: Episode, window: WindowState, reason: CloseReason, closed: list[Window]) -> None:
        """Publishes the window unless it has only carried steps, and begins it again, empty."""
        self._close(episode, window, reason, [], closed)

    def accepts(self, window: WindowState, step: Step) -> bool:
        """Whether `insert` would take the step."""
        return _find(window, step) is not None or self._caps.has_room(window, step.time)

    def insert(self, episode: Episode, window: WindowState, step: Step, closed: list[Window]) -> Late:
        """A late step, put in order. A closed window whose content changes by it is published again."""
        if not self.accepts(window, step):
            return Late.REFUSED
        place = _find(window, step)
        if place is not None:
            before = window.steps[place]
            window.steps[place] = self._rows.merge_steps(before, step)
            if window.steps[place].row != before.row:
                self._revise(episode, window, closed)
            return Late.MERGED
        window.steps.insert(bisect_left(window.steps, step.time, key=_time), step)
        window.taken += 1
        window.latest = max(window.latest, step.time)
        if window.reason is None:
            self._grown(episode, window, closed)
        else:
            self._revise(episode, window, closed)
        return Late.TAKEN

    def _revise(self, episode: Episode, window: WindowState, closed: list[Window]) -> None:
        if window.reason is not None:
            window.revision += 1
            closed.append(self._builder.build(episode, window, window.reason))

    def _grown(self, episode: Episode, window: WindowState, closed: list[Window]) -> None:
        if self._emit_every and window.taken % self._emit_every == 0:
            window.sequence += 1
            closed.append(self._builder.build(episode, window, CloseReason.EARLY))
        if self._caps.splits_after(window):
            self._split(episode, window, CloseReason.MAX_LENGTH, closed)

    def _split(self, episode: Episode, window: WindowState, reason: CloseReason, closed: list[Window]) -> None:
        self._close(episode, window, reason, self._caps.carry(window), closed)

    def _close(self, episode: Episode, window: WindowState, reason: CloseReason, carried: list[Step], closed: list[Window]) -> None:
        if window.own:
            window.sequence += 1
            closed.append(self._builder.build(episode, window, reason))
            if self._keeps:
                episode.kept.append(msgspec.structs.replace(window, reason=reason))
        window.position += len(window.steps) - len(carried)
        window.steps, window.carried, window.taken = carried, len(carried), len(carried)
        window.dropped = window.sequence = 0


def _find(window: WindowState, step: Step) -> int | None:
    """Place of the window's step with the same event time."""
    place = bisect_left(window.steps, step.time, key=_time)
    return place if place < len(window.steps) and window.steps[place].time == step.time else None

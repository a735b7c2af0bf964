"""Segmenters: from the final steps of one device, in time order, to windows. The rules of each kind of window.

A segmenter is shared by all devices of a partition; what it knows of a device is in the device's `Episode`.
Final steps arrive by `add`, late ones by `add_late`; `advance` says how far event time has come; `finish` ends the episode.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.core.aligned import AlignedSegmenter
from pipeline.core.build import WindowBuilder
from pipeline.core.counting import CountSegmenter
from pipeline.core.episode import Episode
from pipeline.core.filling import Late
from pipeline.core.policy import Count, Hopping, Session, Tumbling, WindowPolicy
from pipeline.core.session import SessionSegmenter
from pipeline.core.step import RowFormat, Step
from pipeline.records import CloseReason, Window


class Segmenter(Protocol):
    """Each method appends the windows it publishes to `closed`."""

    def add(self, episode: Episode, step: Step, closed: list[Window]) -> int:
        """Takes the next final step; returns how many steps were dropped."""
        ...

    def add_late(self, episode: Episode, step: Step, closed: list[Window]) -> Late:
        """Takes a step that is earlier than the watermark, within `allowed_lateness`, if a window has room for it."""
        ...

    def advance(self, episode: Episode, closed: list[Window]) -> None:
        """Closes what the episode's watermark has passed, and lets go of what no late step can reach."""
        ...

    def finish(self, episode: Episode, reason: CloseReason, closed: list[Window]) -> None:
        """Closes everything."""
        ...


def segmenter(policy: WindowPolicy, builder: WindowBuilder, rows: RowFormat) -> Segmenter:
    """The segmenter for the policy's shape."""
    match policy.shape:
        case Session(gap_ms):
            return SessionSegmenter(gap_ms, policy, builder, rows)
        case Tumbling(size_ms):
            return AlignedSegmenter(size_ms, size_ms, policy, builder, rows)
        case Hopping(size_ms, step_ms):
            return AlignedSegmenter(size_ms, step_ms, policy, builder, rows)
        case Count():
            return CountSegmenter(policy.shape, builder)

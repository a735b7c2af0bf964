"""What is remembered of one device, from its first reading until it is forgotten: its episode. State only; no rules.

Plain structs, so that dumping and loading is a codec's work and nothing else.
"""

from __future__ import annotations

import msgspec

from pipeline.core.step import Step


class OpenWindow(msgspec.Struct):
    """A window that still takes steps.

    `place` and `chunk` name it within the episode: an ordinal (session, count) or the aligned start (tumbling, hopping)
    and the number of windows that were split off at that place before.
    """

    place: int
    chunk: int = 0
    position: int = 0  # number of the first kept step in the episode, from 1
    latest: int = 0  # event time of the latest step, dropped ones included
    dropped: int = 0
    steps: list[Step] = []


class Episode(msgspec.Struct):
    """A live device."""

    device: str
    birth: int  # the arrival clock when the reading that began the episode was taken
    last_arrival: int  # the arrival clock after the last accepted reading
    watermark: int
    start: int = 0  # event time of the first final step
    steps: int = 0  # final steps so far
    ordinal: int = 0  # windows numbered so far (session, count)
    published: int = 0  # number of the last step that a count window has shown
    pending: list[Step] = []  # not yet final, in time order
    windows: list[OpenWindow] = []  # open ones, in time order

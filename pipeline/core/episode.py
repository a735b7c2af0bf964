"""What is remembered of one device, from its first reading until it is forgotten: its episode. State only; no rules.

Plain structs, so that dumping and loading is a codec's work and nothing else.
"""

from __future__ import annotations

import msgspec

from pipeline.core.policy import WindowPolicy
from pipeline.core.step import Step
from pipeline.records import CloseReason

# As MessagePack, at most: a number takes 9 bytes, the head of a list or of a row 5.
STEP_BYTES = 60  # without its row
WINDOW_BYTES = 120  # without its steps
EPISODE_BYTES = 120  # without its device, windows and steps


class WindowState(msgspec.Struct, array_like=True):
    """A window that takes steps, or a closed one that late steps may still revise.

    `place` and `chunk` name it within the episode: an ordinal (session, count), or the aligned start and the number of
    the window at that place; both count from 1, and windows get them with their first step.
    """

    place: int
    chunk: int = 0
    position: int = 0  # number of the first kept step in the episode, from 1
    latest: int = 0  # event time of the latest step, dropped ones included
    taken: int = 0  # steps it was given, carried ones included, dropped ones not
    dropped: int = 0
    carried: int = 0  # steps at its head that belong to the window before
    sequence: int = 0  # number of the last publication
    revision: int = 0
    reason: CloseReason | None = None  # None: open
    steps: list[Step] = []

    @property
    def own(self) -> int:
        """Number of steps that are not carried."""
        return len(self.steps) - self.carried


class Episode(msgspec.Struct, array_like=True):
    """A live device."""

    device: str
    birth: int  # the arrival clock when the reading that began the episode was taken
    last_arrival: int  # the arrival clock after the last accepted reading
    watermark: int
    applied: int = -1  # offset of the last record that changed this state
    start: int = 0  # event time of the first final step
    steps: int = 0  # final steps so far
    ordinal: int = 0  # the last ordinal given to a window (session, count)
    published: int = 0  # number of the last step that a count window has shown
    pending: list[Step] = []  # not yet final, in time order
    windows: list[WindowState] = []  # open, in the order of their places
    kept: list[WindowState] = []  # closed, within allowed_lateness, in the order of closing

    @property
    def open_steps(self) -> int:
        """Steps that are not in a closed window yet."""
        return len(self.pending) + sum([window.own for window in self.windows])


def open_bytes(policy: WindowPolicy, sensors: int) -> int:
    """What a saved device takes at most, bytes: without its name, and without the windows that are kept for late steps."""
    steps = policy.max_pending + policy.open_windows * policy.max_length
    return EPISODE_BYTES + policy.open_windows * WINDOW_BYTES + steps * (STEP_BYTES + 4 * sensors)

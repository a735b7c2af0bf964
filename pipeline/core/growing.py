"""Windows that are scored while they grow: which steps a model has seen of each, and where it stood after them.

A model that goes over the steps once needs only the further ones. What it has seen is compared byte by byte with what a
window has now, so that a window that changed before its end (a late step, a truncated head) is scored anew as a whole. All that is kept
here can be forgotten at any time: it is made again from the window itself. Knows no model.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.lookback import prolonged
from pipeline.records import Window

Floats = NDArray[np.float32]


class Standing(NamedTuple):
    """Where a model stands after the steps that it has seen of a window."""

    times: bytes
    values: bytes
    earlier: Window | None  # what inputs of further steps are made of besides these; None: all of them
    state: Floats  # state_width
    outputs: Floats  # what it says after the last of them

    @property
    def size_bytes(self) -> int:
        """Memory that it keeps."""
        earlier = 0 if self.earlier is None else len(self.earlier.times) + len(self.earlier.values)
        return len(self.times) + len(self.values) + earlier + self.state.nbytes + self.outputs.nbytes


class Continuation(NamedTuple):
    """A window that a model goes on with, and which windows are answered on the way."""

    window: Window  # the longest of them
    standing: Standing | None  # None: from its first step
    seen: int  # steps that need not be gone over again
    further: int  # steps that are to be gone over
    answers: tuple[tuple[int, int], ...]  # index among the given windows, number of its steps

    @property
    def looked_at(self) -> Window:
        """The further steps, behind those before that their inputs are made of too."""
        if self.standing is None or self.standing.earlier is None:
            return self.window
        return prolonged(self.standing.earlier, self.window, self.seen)


class GrowingWindows:
    """Remembers open windows within `max_bytes`; of too many, those not seen for longest are forgotten."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._standings: OrderedDict[str, Standing] = OrderedDict()

    def __len__(self) -> int:
        return len(self._standings)

    def plan(self, windows: Sequence[Window]) -> tuple[list[Continuation], list[int]]:
        """(windows to go on with, indices of all others, which are scored as a whole).

        A window grows if it is not final, or if an earlier part of it is known, or given too.
        """
        chains: dict[str, list[int]] = defaultdict(list)
        whole: list[int] = []
        for index, window in enumerate(windows):
            chains[window.id].append(index)
        continuations = []
        for window_id, members in chains.items():
            if window_id not in self._standings and all(windows[index].final for index in members):
                whole += members
                continue
            continuation = self._continued(windows, members)
            answered = {index for index, _ in continuation.answers}
            continuations.append(continuation)
            whole += [index for index in members if index not in answered]
        return continuations, sorted(whole)

    def keep(self, continuation: Continuation, earlier: Window | None, state: Floats, outputs: Floats) -> None:
        """Remembers where the model stands after the continuation's window; one that is closed is forgotten.

        `earlier`: what inputs of further steps will be made of besides these; None: the whole window.
        """
        window = continuation.window
        before = self._standings.pop(window.id, None)
        self._bytes -= before.size_bytes if before else 0
        if window.final:
            return
        # Copied: they may be parts of a whole batch's arrays, which would stay in memory with them.
        standing = Standing(window.times, window.values, earlier, state.copy(), outputs.copy())
        self._standings[window.id] = standing
        self._bytes += standing.size_bytes
        while self._bytes > self._max_bytes:
            _, oldest = self._standings.popitem(last=False)
            self._bytes -= oldest.size_bytes

    def _continued(self, windows: Sequence[Window], members: list[int]) -> Continuation:
        longest = windows[max(members, key=lambda index: (windows[index].length, windows[index].final))]
        standing = self._standings.get(longest.id)
        if standing is not None and not _begins(longest, standing):
            standing = None
        seen = 0 if standing is None else len(standing.times) // 8
        answers = tuple(
            (index, windows[index].length)
            for index in members
            if windows[index] is longest or (windows[index].length >= seen and _begins(longest, windows[index]))
        )
        return Continuation(longest, standing, seen, longest.length - seen, answers)


def _begins(window: Window, part: Standing | Window) -> bool:
    """Whether the window begins with just the steps of the part."""
    return window.times.startswith(part.times) and window.values.startswith(part.values)

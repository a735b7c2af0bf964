"""Windows condensed to the steps that inputs of further steps are made of, so that those of a growing window cost its new steps only.

Every channel but the moving averages looks back at four steps at most: the window's first, the one before, and, of each sensor, the
first and the last that observed it. Where values are scaled by operating conditions, such a step's condition depends on settings
before it, which are not kept. There is no second way to make inputs: a condensed window with further steps is a window
like any other, and tests/core/test_lookback.py compares its inputs with those of the whole one, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np

from pipeline.core.ragged import ragged
from pipeline.records import Window


def condensed(windows: Sequence[Window]) -> list[Window]:
    """One or more windows with the same sensors, without the steps that nothing looks back at.

    The number of the last step stays what it was, and those of the steps before it do not.
    """
    steps = ragged(windows)
    ends = steps.lengths.cumsum()
    firsts, lasts = ends - steps.lengths, ends - 1
    kept = np.zeros(len(steps.times), np.bool_)
    kept[firsts] = kept[lasts] = True
    if not steps.complete:
        kept[steps.first_observed[firsts]] = kept[steps.last_observed[lasts]] = True
    times, values = steps.times[kept], steps.values[kept]
    edges = [0, *kept.cumsum()[lasts].tolist()]
    return [
        msgspec.structs.replace(
            window, times=times[begin:end].tobytes(), values=values[begin:end].tobytes(), position=window.position + length - (end - begin)
        )
        for window, length, (begin, end) in zip(windows, steps.lengths.tolist(), pairwise(edges), strict=True)
    ]


def prolonged(earlier: Window, window: Window, seen: int) -> Window:
    """What is left of the window's first `seen` steps, and all its further ones."""
    width = 4 * len(window.sensors)
    times, values = earlier.times + window.times[8 * seen :], earlier.values + window.values[width * seen :]
    return msgspec.structs.replace(earlier, times=times, values=values)

"""Windows for tests of scoring: made from rows of values, without a windower."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pipeline.core.policy import Keep, Overflow, Session, WindowPolicy
from pipeline.records import CloseReason, Source, Window

START_MS = 1_767_225_600_000


def session_policy(max_length: int = 256, gap_ms: int = 10_000) -> WindowPolicy:
    """Sessions with the usual clocks."""
    return WindowPolicy(
        shape=Session(gap_ms=gap_ms),
        out_of_orderness_ms=2_000,
        idle_timeout_ms=60_000,
        max_length=max_length,
        overflow=Overflow.SPLIT,
        keep=Keep.LAST,
    )


def make_window(
    values: ArrayLike | Sequence[object], sensors: Sequence[str], spec: str = "", times: Sequence[int] | None = None, device: str = "pump-1"
) -> Window:
    """A window of steps x sensors values, NaN = unobserved; a step a second unless `times` (ms) are given."""
    rows = np.asarray(values, "<f4").reshape(-1, len(sensors))
    at = np.asarray(range(0, 1_000 * len(rows), 1_000) if times is None else times, "<i8") + START_MS
    start, end = (int(at[0]), int(at[-1])) if len(at) else (0, 0)
    return Window(
        id=f"{device}-{start}",
        device=device,
        spec=spec,
        start=start,
        end=end,
        final=True,
        sequence=1,
        revision=0,
        reason=CloseReason.GAP,
        sensors=tuple(sensors),
        times=at.tobytes(),
        values=rows.tobytes(),
        dropped=0,
        merged=0,
        carried=0,
        too_short=False,
        position=1,
        episode_start=start,
        source=Source("sensor.readings", 0, 0, len(rows), start, end + 5),
        hash="",
    )

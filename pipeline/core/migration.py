"""A change of the window spec: what was open under the old one goes on under the new one."""

from __future__ import annotations

from pipeline.core.episode import Episode
from pipeline.core.step import Step


def migrated(old: Episode, row_bytes: int) -> Episode:
    """The same device in a new count: its open steps are not final yet, so that the new spec says where they belong.

    Raises `ValueError` for steps of other sensors, whose rows have another size.
    """
    steps = sorted(_open_steps(old), key=lambda step: step.time)
    if any(len(step.row) != row_bytes for step in steps):
        raise ValueError(f"device {old.device!r} has open steps of other sensors")
    watermark = steps[0].time if steps else old.watermark
    # Under its old birth the new count could give a window of the same spec, migrated there and back, an id that is taken.
    return Episode(old.device, old.last_arrival, old.last_arrival, watermark, old.applied, ordinal=old.ordinal, pending=steps)


def _open_steps(old: Episode) -> list[Step]:
    """Each once, though hopping windows share them."""
    steps = {step.time: step for window in old.windows for step in window.steps[window.carried :]}
    in_windows = list(steps.values())
    if old.published:  # a count window keeps steps that it has shown
        in_windows = in_windows[len(in_windows) - (old.steps - old.published) :]
    return in_windows + old.pending

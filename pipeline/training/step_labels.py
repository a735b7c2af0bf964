"""Labels that a recording gives by itself: what is left until a device's last step, and what its next step says. Knows no model.

Both are tables like those of a labels file, with a row for each step that has such a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.core.channels import Unit
from pipeline.core.policy import Overflow, Tumbling, WindowPolicy
from pipeline.core.ragged import Ragged, ragged
from pipeline.core.scaling import Scaling
from pipeline.errors import ConfigurationError
from pipeline.records import Window
from pipeline.training.labels import Key, LabelTable, last_step

RUL = "rul"


def single_steps(policy: WindowPolicy) -> WindowPolicy:
    """Windows of one step each, of all steps that the policy accepts, late ones too: one for each millisecond."""
    return replace(policy, shape=Tumbling(1), overflow=Overflow.SPLIT, min_length=1, max_duration_ms=None, carry=0, emit_every=0)


def end_of_life_table(steps: Iterable[Window], unit: Unit, cap: float | None = None, output: str = RUL) -> LabelTable:
    """How many steps, or seconds, each device has left at each of its steps (`single_steps`), at most `cap`."""
    times: dict[str, list[int]] = {}
    for step in steps:
        times.setdefault(step.device, []).append(last_step(step)[1])
    rows: dict[Key, int] = {}
    left: list[float] = []
    for device, seen in times.items():
        ordered = sorted(set(seen))
        for number, time in enumerate(ordered, start=1):
            rows[device, time] = len(left)
            left.append(len(ordered) - number if unit is Unit.STEPS else (ordered[-1] - time) / 1000)
    targets = np.array(left, np.float32)[:, None]
    return LabelTable((output,), rows, targets if cap is None else np.minimum(targets, np.float32(cap)))


def next_step_table(steps: Iterable[Window], sensors: Sequence[str]) -> LabelTable:
    """The values of the next step in the same episode, as they are, NaN = unobserved; `sensors` are those to tell, in order.

    The model is to answer with them scaled (`scaled_next_steps`), as only the training devices tell how to scale.
    """
    following = next_steps(steps)
    if not following:
        raise ConfigurationError("no device has a next step, so there is nothing to forecast")
    columns = [next(iter(following.values())).sensors.index(sensor) for sensor in sensors]
    rows = {before: row for row, before in enumerate(following)}
    return LabelTable(tuple(f"next_{sensor}" for sensor in sensors), rows, ragged(list(following.values()), columns).values)


def next_steps(steps: Iterable[Window]) -> dict[Key, Window]:
    """The step that follows each step in its episode; the last ones have none."""
    episodes: dict[tuple[str, int], dict[Key, Window]] = {}
    for step in steps:
        # A step that comes again has taken late values: the last one counts.
        episodes.setdefault((step.device, step.episode_start), {})[last_step(step)] = step
    return {before: episode[after] for episode in episodes.values() for before, after in pairwise(sorted(episode))}


def scaled_next_steps(targets: NDArray[np.float32], scaling: Scaling) -> NDArray[np.float32]:
    """Rows of `next_step_table` in the units of the model's inputs, NaN = unobserved, by the condition of the next step."""
    count = len(targets)
    alone = np.ones(count, np.int64)
    return scaling.scaled(Ragged(targets, np.zeros(count, np.int64), alone, alone, np.zeros(count, np.int64)))

"""What a model was trained on, and how far the windows that it scores are from it. Knows no topic and no file.

Of each window one step is looked at, so that a look costs less than a microsecond and a long window counts like a short one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from pipeline.core.drift import Drift, Rows, distribution
from pipeline.records import Window
from pipeline.scoring.contract import Contract
from pipeline.scoring.engine import Engine, Floats
from pipeline.scoring.golden import choose
from pipeline.scoring.scorer import Scorer

log = logging.getLogger(__name__)

BLOCK = 256
"""Windows that are counted together; a fixed number, so that it makes no difference how they were polled."""

_WINDOWS = 4_000  # that stand for all that a model was trained on
_LOOKS = 4  # at each of them
_STEP_BYTES = 4  # for each sensor
_WALK = 0xFFFFFFFF
_GOLDEN_RATIO = 2_654_435_769  # of 2**32; its multiples fall evenly between 0 and 2**32, however many there are


def sample(windows: Iterable[Window]) -> list[Window]:
    """So many as tell how windows are distributed, in the order of length."""
    return choose((window for window in windows if not window.too_short and window.final), _WINDOWS)


def with_distributions(contract: Contract, engine: Engine, trained: Sequence[Window], held_out: Sequence[Window]) -> Contract:
    """The contract with the distributions of sensors and lengths in some of the windows that the model was trained on, and of
    its scores on windows that it was not trained on; without windows the contract as it is."""
    scorer = Scorer(contract, engine, "")
    trained, held_out = ([window for window in windows if scorer.refusal(window) is None] for windows in (trained, held_out))
    if not trained or not held_out:
        return contract
    values = np.concatenate([_values(list(_looks(trained, start)), trained[0].sensors, contract) for start in range(_LOOKS)])
    outputs = scorer.score(held_out).outputs
    lengths = np.array([window.length for window in trained], np.float32)
    columns = [*values.T, *outputs.T, lengths]
    found = [distribution(name, column) for name, column in zip(contract.things, columns, strict=True)]
    return msgspec.structs.replace(contract, distributions=tuple(found))


class DriftWatch:
    """Compares the windows that are scored with those that the model was trained on. Says so once when they begin to differ."""

    def __init__(self, contract: Contract, alert_above: float | None) -> None:
        """`alert_above`: the index above which something has drifted; None: nothing ever has."""
        counted = [*(f"drift_{one.name}" for one in contract.distributions), "drifted"] if contract.distributions else []
        self.counts: Mapping[str, int] = dict.fromkeys(counted, 0)
        self._contract = contract
        self._alert_above = alert_above
        self._drift = Drift(contract.distributions) if contract.distributions else None
        self._drifted: frozenset[str] = frozenset()
        self._walk = 0
        self._steps: list[bytes] = []  # of the windows that are not counted yet: the step that is looked at
        self._outputs: list[Floats] = []
        self._lengths: list[int] = []

    def take(self, windows: Sequence[Window], outputs: Floats) -> None:
        """Looks at windows with equal sensors and at their scores (windows x outputs, NaN = none); one that is not final is passed over."""
        if self._drift is None or not windows:
            return
        walk, width = self._walk, _STEP_BYTES * len(windows[0].sensors)
        for window in windows:
            if window.final:
                length = len(window.times) // 8
                walk = (walk + _GOLDEN_RATIO) & _WALK
                place = width * (walk * length >> 32)
                self._steps.append(window.values[place : place + width])
                self._lengths.append(length)
        self._walk = walk
        self._outputs.append(outputs[[window.final for window in windows]])
        while len(self._steps) >= BLOCK:
            self._count(self._drift, windows[0].sensors)

    def _count(self, drift: Drift, sensors: tuple[str, ...]) -> None:
        outputs = np.concatenate(self._outputs)
        values = _values(self._steps[:BLOCK], sensors, self._contract)
        drift.add(np.hstack([values, outputs[:BLOCK], np.array(self._lengths[:BLOCK], np.float32)[:, None]]))
        self._outputs = [outputs[BLOCK:]]
        del self._steps[:BLOCK], self._lengths[:BLOCK]
        found = drift.psi()
        if found:
            self._judge(found)

    def _judge(self, found: Mapping[str, float]) -> None:
        limit = self._alert_above
        drifted = frozenset(name for name, index in found.items() if limit is not None and index > limit)
        model = f"{self._contract.name} {self._contract.version}"
        for name in sorted(drifted - self._drifted):
            log.warning("%s of what is scored differs from what the model %s was trained on: PSI %.2f", name, model, found[name])
        for name in sorted(self._drifted - drifted):
            log.info("%s of what is scored is again what the model %s was trained on: PSI %.2f", name, model, found[name])
        self._drifted = drifted
        self.counts = {**{f"drift_{name}": round(1000 * index) for name, index in found.items()}, "drifted": len(drifted)}


def _looks(windows: Sequence[Window], start: int) -> Iterator[bytes]:
    """One step of each window, another one for each `start`."""
    walk = start << 30
    for window in windows:
        walk = (walk + _GOLDEN_RATIO) & _WALK
        width = _STEP_BYTES * len(window.sensors)
        place = width * (walk * window.length >> 32)
        yield window.values[place : place + width]


def _values(steps: Sequence[bytes], sensors: tuple[str, ...], contract: Contract) -> Rows:
    """Steps x the contract's sensors."""
    rows = np.frombuffer(b"".join(steps), "<f4").reshape(len(steps), len(sensors))
    return rows if sensors == contract.sensor_names else rows[:, [sensors.index(name) for name in contract.sensor_names]]

"""What training feeds a model for a window, and what the scorer feeds it for the same window off the wire, are equal to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.core.features import Age, Averages, Change, Channel, Delta, DeltaPer, Observed, Unit, Value
from pipeline.core.policy import WindowPolicy
from pipeline.records import Window
from pipeline.scoring.contract import Contract, ContractOutput, ContractSensor
from pipeline.scoring.engine import Inputs, ModelInput, ModelSignature, Scored
from pipeline.scoring.scorer import Scorer
from pipeline.training.conditions import OperatingConditions
from pipeline.training.dataset import Examples, make_examples
from pipeline.training.scaling import fit_contract
from pipeline.wire.windows import decode_window, encode_window
from producers.simulator.spec import SENSORS
from tests.training.fleet import Fleet

CHANNELS: tuple[Channel, ...] = (
    *(Value(), Change(), Observed(), Delta(scale=2), Delta(DeltaPer.SENSOR), Age(scale=200), Age(Unit.SECONDS, 60)),
    *(Averages((3, 10)), Averages((5, 60), Unit.SECONDS)),
)


class Recorder:
    """An engine that keeps what it is given, each window without its padding; its score is 0."""

    name = "recorder"
    incremental = None
    masks_by_value = True
    threads = 1
    batching = BatchPolicy(step_overhead_rows=4, max_rows=32, max_cells=16_384)

    def __init__(self, columns: int) -> None:
        self.signature = ModelSignature((ModelInput("steps", columns),), fixed_length=None, outputs=("wear",))
        self.seen: list[bytes] = []

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        self.seen += [steps[:length].tobytes() for steps, length in zip(inputs[0], lengths, strict=True)]
        return Scored(np.zeros((len(lengths), 1), np.float32))

    def explain_padding(self) -> str:
        return "never"


def fitted(windows: list[Window], policy: WindowPolicy) -> Contract:
    contract = Contract(
        name="rich",
        version="1",
        sensors=tuple(map(ContractSensor, SENSORS)),
        channels=CHANNELS,
        fill="forward",
        max_length=policy.max_length,
        last=12,
        window=policy.spec(SENSORS),
        task="regression",
        outputs=(ContractOutput("wear"),),
    )
    return fit_contract(contract, windows, OperatingConditions(SENSORS[:1], 3))


def rows_of(examples: Examples) -> list[bytes]:
    return [steps.tobytes() for steps in np.split(examples.inputs, np.cumsum(examples.lengths)[:-1])]


def test_training_and_scoring_give_the_model_the_same_bits(fleet: Fleet, policy: WindowPolicy) -> None:
    windows = fleet.windows(policy)
    contract = fitted(windows, policy)
    trained = rows_of(make_examples(windows, np.zeros((len(windows), 1), np.float32), contract))
    assert len(trained) > 300
    assert len(set(trained)) > 0.99 * len(trained)
    off_the_wire = [decode_window(encode_window(window)) for window in windows]

    one_by_one = Recorder(contract.features().width)
    for window in off_the_wire:
        Scorer(contract, one_by_one, "").score([window])
    assert one_by_one.seen == trained

    together = Recorder(contract.features().width)
    for begin in range(0, len(windows), 50):
        Scorer(contract, together, "").score(off_the_wire[begin : begin + 50])
    assert sorted(together.seen) == sorted(trained)

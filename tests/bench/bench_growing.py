"""What a score after each reading costs, with and without going on where the model stood. By hand: `python -m tests.bench growing`.

Masking -> LSTM(64) -> Dense(1) over 8 sensors; windows grow from 1 to 256 steps, and each is scored after each of its steps. Inputs are
the values alone, or what irregular data asks for: values, observed, delta by sensor and age, with a fifth of the values unobserved.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.core.features import Age, Channel, Delta, DeltaPer, FeatureSpec, Observed, Value
from pipeline.records import Window
from pipeline.scoring.bundle import Bundle, read_bundle, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.load import open_scorer
from pipeline.scoring.onnx_file import add_onnx
from tests.support.windows import make_window, session_policy

SENSORS = tuple(f"sensor-{number}" for number in range(8))
STEPS, UNITS = 256, 64
DEVICES = (1, 64, 250)
INPUTS: dict[str, tuple[tuple[Channel, ...], float]] = {  # channels, and the share of values that is unobserved
    "values": ((Value(),), 0.0),
    "irregular": ((Value(), Observed(), Delta(DeltaPer.SENSOR), Age()), 0.2),
}


def make_bundle(folder: Path, channels: tuple[Channel, ...]) -> Bundle:
    """A model over these inputs that nobody trained."""
    width = FeatureSpec((0.0,) * len(SENSORS), (1.0,) * len(SENSORS), channels).width
    model = keras.Sequential([keras.Input((None, width)), keras.layers.Masking(), keras.layers.LSTM(UNITS), keras.layers.Dense(1)])
    model.save(folder / "model.keras")
    contract = Contract(
        name="bench",
        version="1",
        sensors=tuple(ContractSensor(name) for name in SENSORS),
        channels=channels,
        fill="forward",
        max_length=STEPS,
        window=session_policy(STEPS).spec(SENSORS),
        task="regression",
        outputs=(ContractOutput("score"),),
    )
    contract, files = add_onnx(contract, KerasEngine(folder / "model.keras"), folder)
    write_bundle(folder / "bundle", contract, {MODEL_FILE: folder / "model.keras"} | files)
    return read_bundle(folder / "bundle")


def growing(devices: int, unobserved: float, grows: bool) -> list[list[Window]]:
    """For each step a poll: what the window of each device is then. Where it does not grow, each is a window of its own."""
    random = np.random.default_rng(0)

    def whole(device: int) -> Window:
        values = random.normal(size=(STEPS, len(SENSORS)))
        values[random.random(values.shape) < unobserved] = np.nan
        return make_window(values, SENSORS, device=f"device-{device}")

    def part(window: Window, steps: int) -> Window:
        times, values = window.times[: 8 * steps], window.values[: 4 * len(SENSORS) * steps]
        return msgspec.structs.replace(window, id=f"{window.device} {0 if grows else steps}", times=times, values=values, final=not grows)

    windows = [whole(device) for device in range(devices)]
    return [[part(window, steps) for window in windows] for steps in range(1, STEPS + 1)]


def cpu_us(bundle: Bundle, polls: list[list[Window]]) -> float:
    """Of one reading, over all threads; the best of three rounds."""
    taken = []
    for _ in range(3):
        scorer = open_scorer(bundle)
        begin = time.process_time()
        for poll in polls:
            scorer.score(poll)
        taken.append(time.process_time() - begin)
    return min(taken) / sum(map(len, polls)) * 1e6


def main() -> None:
    """Prints a table."""
    keras.utils.set_random_seed(1)
    table = Table("a score after each reading, CPU us", "devices a poll", "going on", "whole windows")
    for name, (channels, unobserved) in INPUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            bundle = make_bundle(Path(folder), channels)
            for devices in DEVICES:
                costs = [f"{cpu_us(bundle, growing(devices, unobserved, grows)):,.1f}" for grows in (True, False)]
                table.add_row(name, f"{devices:,}", *costs)
    Console().print(table)


if __name__ == "__main__":
    main()

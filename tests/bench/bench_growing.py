"""What a score after each reading costs, with and without going on where the model stood. By hand: `python -m tests.bench growing`.

Masking -> LSTM(64) -> Dense(1) over 8 sensors; windows grow from 1 to 256 steps, and each is scored after each of its steps.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.records import Window
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import Bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import open_scorer
from tests.support.windows import make_window, session_policy

SENSORS = tuple(f"sensor-{number}" for number in range(8))
STEPS, UNITS = 256, 64


def growing(devices: int, grows: bool) -> list[list[Window]]:
    """For each step a poll: what the window of each device is then. Where it does not grow, each is a window of its own."""
    random = np.random.default_rng(0)
    whole = [make_window(random.normal(size=(STEPS, len(SENSORS))), SENSORS, device=f"device-{device}") for device in range(devices)]

    def part(window: Window, steps: int) -> Window:
        times, values = window.times[: 8 * steps], window.values[: 4 * len(SENSORS) * steps]
        return msgspec.structs.replace(window, id=f"{window.device} {0 if grows else steps}", times=times, values=values, final=not grows)

    return [[part(window, steps) for window in whole] for steps in range(1, STEPS + 1)]


def cpu_us(bundle: Bundle, devices: int, grows: bool) -> float:
    """Of one reading, over all threads; the best of three rounds."""
    polls = growing(devices, grows)
    taken = []
    for _ in range(3):
        scorer = open_scorer(bundle)
        begin = time.process_time()
        for poll in polls:
            scorer.score(poll)
        taken.append(time.process_time() - begin)
    return min(taken) / (devices * STEPS) * 1e6


def main() -> None:
    """Prints a table."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((None, len(SENSORS))), keras.layers.Masking(), keras.layers.LSTM(UNITS), keras.layers.Dense(1)])
    table = Table("a score after each reading, CPU us", "going on", "whole windows")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        sensors = [ContractSensor(name) for name in SENSORS]
        bundle = bundle_model(Path(folder) / "model.keras", Path(folder) / "bundle", sensors, session_policy(STEPS))
        for devices in (1, 64, 250):
            table.add_row(f"{devices:,} devices a poll", *(f"{cpu_us(bundle, devices, grows):,.1f}" for grows in (True, False)))
    Console().print(table)


if __name__ == "__main__":
    main()

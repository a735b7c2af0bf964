"""How much memory a backtest takes, by the length of the recording. By hand: `python -m tests.bench backtest`.

500 simulated machines with every fault, three sensors, an LSTM and an alert rule; each backtest in a process of its own.
"""

from __future__ import annotations

import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from pipeline.backtest.run import run_on_recording
from pipeline.config import load
from pipeline.recordings.ordering import in_replay_order
from producers.simulate import record_fleet
from producers.simulator.spec import MINUTE_MS, FleetSpec

DEVICES, MINUTES = 500, (20, 140)


class Took(NamedTuple):
    """What one backtest found and took."""

    predictions: int
    megabytes: int  # the process's peak, libraries included
    cpu_s: float


def prepare(folder: Path) -> None:
    """The configuration and a model, in a process of its own: a process begins with the peak of the one that started it."""
    from tests.support.backtests import make_project

    make_project(folder)


def backtest(folder: Path, recording: Path) -> Took:
    """In a process that has done nothing else, and has not loaded TensorFlow."""
    settings = load(folder / "sensorline.toml", {}).settings
    begin = time.process_time()
    outcome = run_on_recording(settings, in_replay_order(recording).readings)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Took(len(outcome.predictions), peak_kb // 1024, time.process_time() - begin)


def main() -> None:
    """Prints a table."""
    table = Table("readings", "predictions", "peak memory, MB", "CPU s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with get_context("spawn").Pool(1) as process:
            process.apply(prepare, (folder,))
        for minutes in MINUTES:
            recording = folder / f"{minutes}.parquet"
            count = record_fleet(FleetSpec(devices=DEVICES, duration_ms=minutes * MINUTE_MS), recording)
            with get_context("spawn").Pool(1) as process:
                took = process.apply(backtest, (folder, recording))
            table.add_row(f"{count:,}", f"{took.predictions:,}", f"{took.megabytes:,}", f"{took.cpu_s:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

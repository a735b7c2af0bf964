"""How many windows a second: the scorer against `model.predict` per window. Run it by hand: `python tests/bench/bench_scorer.py`.

Masking -> LSTM(64) -> Dense(1) over 8 sensors; lengths log-normal with mean 37, at most 256; the best of three rounds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipeline.records import Window
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import load_scorer
from tests.support.windows import make_window, session_policy

SENSORS = tuple(f"sensor-{number}" for number in range(8))
MEAN_LENGTH, SPREAD, MAX_LENGTH = 37, 0.8, 256


def make_windows(count: int) -> list[Window]:
    """Windows of normal values."""
    random = np.random.default_rng(0)
    lengths = np.clip(np.rint(random.lognormal(np.log(MEAN_LENGTH) - SPREAD**2 / 2, SPREAD, count)), 1, MAX_LENGTH).astype(int)
    return [make_window(random.normal(size=(length, len(SENSORS))), SENSORS) for length in lengths]


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """The best of some rounds, after one that warms."""
    work()
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def main() -> None:
    """Prints a table."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((None, len(SENSORS))), keras.layers.Masking(), keras.layers.LSTM(64), keras.layers.Dense(1)])
    policy = session_policy(MAX_LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        bundle_model(Path(folder) / "model.keras", Path(folder) / "bundle", [ContractSensor(name) for name in SENSORS], policy)
        begin = time.perf_counter()
        scorer = load_scorer(Path(folder) / "bundle", SENSORS, policy)
        loading = time.perf_counter() - begin
    table = Table("windows at once", "windows/s", "computed / real steps", "speed-up over predict", title="scorer")
    few = make_windows(20)
    rows = [np.frombuffer(window.values, "<f4").reshape(1, -1, len(SENSORS)) for window in few]
    one_by_one = len(few) / seconds(lambda: [model.predict(row, verbose=0) for row in rows])
    table.add_row("model.predict, 1", f"{one_by_one:,.0f}", "1.00", "1")
    for count in (1, 50, 500, 2_000, 10_000):
        windows = make_windows(count)
        rate = count / seconds(partial(scorer.score, windows))
        scores = scorer.score(windows)
        table.add_row(f"{count:,}", f"{rate:,.0f}", f"{scores.padded_cells / scores.real_cells:.2f}", f"{rate / one_by_one:,.0f}")
    Console().print(table, f"load and proof, TensorFlow imported before: {loading:.1f} s")


if __name__ == "__main__":
    main()

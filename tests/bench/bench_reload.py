"""What a change of models costs a running scorer: the longest pause between two polls, and memory. By hand: `python -m tests.bench reload`.

Masking -> LSTM(64) -> Dense(1) over 8 sensors; 20 windows of 37 steps are scored every 10 ms, while bundles take turns.
"""

from __future__ import annotations

import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from consumers.scorer import scorer, watched
from pipeline.brokers.protocol import Record
from pipeline.config import Settings
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import Bundle, write_bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.stages.protocol import Handover
from pipeline.stages.score import ScoreStage
from pipeline.wire.windows import encode_window
from tests.support.windows import make_window

SENSORS = tuple(f"sensor-{number}" for number in range(8))
STEPS, UNITS, AT_ONCE, EVERY_S, RELOADS = 37, 64, 20, 0.01, 30


def longest_pause_ms(stage: ScoreStage, records: list[Record], meanwhile: Callable[[], None]) -> float:
    """Between the ends of two polls, while something else is done."""
    ends: list[float] = []
    done = threading.Event()

    def score() -> None:
        while not done.wait(EVERY_S):
            stage.step(records, 0)
            ends.append(time.monotonic())

    thread = threading.Thread(target=score)
    thread.start()
    try:
        meanwhile()
    finally:
        done.set()
        thread.join()
    return float(np.diff(ends).max()) * 1000


def main() -> None:
    """Prints a table."""
    table = Table(
        f"{RELOADS} changes of models", "pause without, ms", "pause with, ms", "a change takes, s", "memory before, MB", "after, MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        keras.utils.set_random_seed(1)
        layers = keras.layers
        model = keras.Sequential([keras.Input((None, len(SENSORS))), layers.Masking(), layers.LSTM(UNITS), layers.Dense(1)])
        model.save(Path(folder) / "model.keras")
        window = {"kind": "session", "gap": "10s"}
        settings = Settings.model_validate({"sensors": {"names": SENSORS}, "window": window, "model": {"path": Path(folder) / "pump"}})
        sensors = [ContractSensor(sensor) for sensor in SENSORS]
        bundle = bundle_model(Path(folder) / "model.keras", Path(folder) / "made", sensors, settings.window.policy())
        for engine in ("onnx", "keras"):
            measured = settings.model_copy(update={"model": settings.model.model_copy(update={"engine": engine})})
            table.add_row(engine, *[f"{number:.1f}" for number in _measure(measured, bundle)])
    Console(width=120).print(table)


def _measure(settings: Settings, bundle: Bundle) -> tuple[float, float, float, float, float]:
    assert settings.model.path is not None
    place = settings.model.path
    files = {name: bundle.folder / name for name in bundle.contract.files}
    write_bundle(place, bundle.contract, files)
    stage = scorer(settings)
    stage.assign(Handover(0, 0))
    [watch] = watched(settings, [stage])
    random, spec = np.random.default_rng(0), settings.window.policy().spec_id(SENSORS)
    made = [make_window(random.normal(size=(STEPS, len(SENSORS))), SENSORS, spec, device=f"device-{n}") for n in range(AT_ONCE)]
    records = [Record("windows", 0, place, 0, one.device.encode(), encode_window(one)) for place, one in enumerate(made)]
    taken: list[float] = []

    def change() -> None:
        for number in range(RELOADS):
            write_bundle(place, msgspec.structs.replace(bundle.contract, version=str(number)), files)
            begin = time.monotonic()
            watch.look()
            taken.append(time.monotonic() - begin)
            assert stage.model.version == str(number)

    without = longest_pause_ms(stage, records, lambda: time.sleep(5))
    before = _memory_mb()
    with_changes = longest_pause_ms(stage, records, change)
    return without, with_changes, float(np.median(taken)), before, _memory_mb()


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()

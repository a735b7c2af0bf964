"""What a score costs, against Keras and against the machine's limit. Run it by hand: `python -m tests.bench scorer`.

Masking -> LSTM(64) -> Dense(1) over 8 sensors; lengths log-normal with mean 37, at most 256. Processor time is over all threads;
each figure is the best of some rounds. Torch is measured where it is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.clock import SystemClock
from pipeline.core.padding import pad
from pipeline.records import Window
from pipeline.runner import Finish, Runner
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ONNX_FILE, ContractSensor
from pipeline.scoring.keras_engine import keras, tf
from pipeline.scoring.load import open_scorer
from pipeline.scoring.onnx_engine import OnnxEngine
from pipeline.scoring.scorer import Scorer
from pipeline.session import SessionOptions
from pipeline.stages.score import ScoreStage, ScoreTopics
from pipeline.wire.windows import encode_window
from tests.support.windows import make_window, session_policy

SENSORS = tuple(f"sensor-{number}" for number in range(8))
UNITS, MEAN_LENGTH, SPREAD, MAX_LENGTH = 64, 37, 0.8, 256
POLICY = session_policy(MAX_LENGTH)
TOPICS = ScoreTopics("windows", "predictions", "rejected")
# One thread, the size at which libraries are fastest: seconds of a product of two 1024 x 1024 matrices.
BOUND = """
import time, numpy
a = numpy.ones((1024, 1024), numpy.float32)
def seconds():
    begin = time.perf_counter(); a @ a
    return time.perf_counter() - begin
print(min(seconds() for _ in range(40)))
"""


class Cost(NamedTuple):
    """Of one window."""

    cpu_us: float
    wall_us: float


def make_windows(number: int) -> list[Window]:
    """Windows of normal values."""
    random = np.random.default_rng(0)
    lengths = np.clip(np.rint(random.lognormal(np.log(MEAN_LENGTH) - SPREAD**2 / 2, SPREAD, number)), 1, MAX_LENGTH).astype(int)
    spec = POLICY.spec_id(SENSORS)
    return [make_window(random.normal(size=(length, len(SENSORS))), SENSORS, spec) for length in lengths]


def rows_of(window: Window) -> NDArray[np.float32]:
    return np.frombuffer(window.values, "<f4").reshape(-1, len(SENSORS))


def cost(windows: int, work: Callable[[], object], rounds: int = 5) -> Cost:
    """The best of some rounds, after one that warms."""
    work()
    cpu, wall = [], []
    for _ in range(rounds):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        work()
        cpu.append(time.process_time() - begin_cpu)
        wall.append(time.perf_counter() - begin)
    return Cost(min(cpu) / windows * 1e6, min(wall) / windows * 1e6)


def latency_us(work: Callable[[], object], calls: int = 1_000) -> float:
    """The median."""
    taken = []
    for _ in range(calls):
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return float(np.median(taken[calls // 10 :])) * 1e6


def bound(windows: list[Window]) -> Cost:
    """The matrix products of the LSTM alone, as fast as one thread of this machine multiplies matrices."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    seconds = float(subprocess.run([sys.executable, "-c", BOUND], env=environment, capture_output=True, text=True, check=True).stdout)
    steps = sum(window.length for window in windows) / len(windows)
    operations = steps * 2 * (len(SENSORS) + UNITS) * 4 * UNITS
    us = operations / (2 * 1024**3 / seconds) * 1e6
    return Cost(us, us)


def through_the_stage(scorer: Scorer, windows: list[Window]) -> Callable[[], None]:
    """From a topic of windows to a topic of predictions on the memory broker, acknowledged and committed."""
    clock, groups = SystemClock(), count()
    log = MemoryLog(clock)
    broker = MemoryBroker(log)
    for name in ("windows", "predictions", "rejected"):
        broker.create_topic(TopicSettings(name, 1))
    publisher = broker.publisher()
    for window in windows:
        publisher.send(Message(TOPICS.windows, window.device.encode(), encode_window(window)))
    publisher.flush()

    def run() -> None:
        stage = ScoreStage(TOPICS, scorer, POLICY, SENSORS)
        options = SessionOptions(f"group-{next(groups)}")
        Runner(lambda: MemoryBroker(log), stage, options, clock, Finish.UNTIL_END).run(threading.Event())
        assert stage.counts()["scored"] == len(windows)

    return run


def compiled(model: Any, windows: list[Window]) -> Callable[[], None]:
    """What one writes with Keras: a traced call for any shape, windows sorted by length, 256 at a time, padded to the longest."""
    traced = tf.function(lambda steps: model(steps, training=False), input_signature=[tf.TensorSpec((None, None, len(SENSORS)))])
    ordered = sorted(windows, key=lambda window: window.length)
    batches = []
    for part in (ordered[begin : begin + 256] for begin in range(0, len(ordered), 256)):
        lengths = np.array([window.length for window in part])
        batches.append(pad(np.concatenate([rows_of(window) for window in part]), lengths, part[-1].length, 0))

    def run() -> None:
        for batch in batches:
            traced(tf.constant(batch)).numpy()

    return run


def torch_packed(windows: list[Window]) -> Iterator[Callable[[], None]]:
    """torch's LSTM on packed sequences, sorted, 64 at a time; nothing where torch is not installed."""
    with suppress(ImportError):
        import torch  # type: ignore[import-not-found,unused-ignore]

        lstm, dense = torch.nn.LSTM(len(SENSORS), UNITS, batch_first=True), torch.nn.Linear(UNITS, 1)
        ordered = sorted(windows, key=lambda window: -window.length)
        batches = [[torch.tensor(rows_of(window)) for window in ordered[begin : begin + 64]] for begin in range(0, len(ordered), 64)]

        def run() -> None:
            with torch.inference_mode():
                for batch in batches:
                    dense(lstm(torch.nn.utils.rnn.pack_sequence(batch))[1][0][0])

        yield run


def compare(model: Any, by_onnx: Scorer, by_keras: Scorer) -> Iterator[tuple[str, Cost]]:
    """Each way to score the same kind of windows, with its cost of a window."""
    many, some, few = make_windows(10_000), make_windows(512), make_windows(20)
    lengths = np.array([window.length for window in some])
    to_maximum = pad(np.concatenate([rows_of(window) for window in some]), lengths, MAX_LENGTH, 0)
    yield "predict, one window a call", cost(20, lambda: [model.predict(rows_of(window)[None], verbose=0) for window in few], 2)
    yield "predict, all padded to max_length", cost(512, lambda: model.predict(to_maximum, verbose=0), 3)
    for size in (len(many), 500):
        yield f"Keras compiled, sorted, batches of 256, {size:,} windows at once", cost(size, compiled(model, many[:size]), 3)
        yield f"Keras compiled, sensorline's batches, {size:,} windows at once", cost(size, partial(by_keras.score, many[:size]), 3)
    for size in (len(many), 500):
        for run in torch_packed(many[:size]):
            yield f"torch, packed, sorted, {size:,} windows at once", cost(size, run, 3)
    yield "sensorline", cost(len(many), partial(by_onnx.score, many))
    for size in (50, 500, 2_000):
        yield f"sensorline, {size:,} windows at once", cost(size, partial(by_onnx.score, many[:size]), 20)
    yield "sensorline, the whole stage", cost(len(many), through_the_stage(by_onnx, many))
    yield "bound: the matrix products alone", bound(many)


def show(rows: list[tuple[str, Cost]]) -> None:
    """Prints the costs, and what share of the bound each way reaches."""
    table = Table(title="scoring", title_justify="left")
    for name in ("", "CPU us a window", "wall us a window", "windows/s", "CPU of predict / its own", "share of the bound"):
        table.add_column(name, justify="right" if name else "left")
    slowest, fastest = rows[0][1], rows[-1][1]
    for name, (cpu_us, wall_us) in rows:
        share = f"{fastest.cpu_us / cpu_us:.1%}"
        table.add_row(name, f"{cpu_us:,.1f}", f"{wall_us:,.1f}", f"{1e6 / wall_us:,.0f}", f"{slowest.cpu_us / cpu_us:,.0f}", share)
    Console(width=150).print(table)


def main() -> None:
    """Prints a table, and the latency of one window."""
    keras.utils.set_random_seed(1)
    parts = [keras.Input((None, len(SENSORS))), keras.layers.Masking(), keras.layers.LSTM(UNITS), keras.layers.Dense(1)]
    model = keras.Sequential(parts)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        bundle = bundle_model(Path(folder) / "model.keras", Path(folder) / "bundle", [ContractSensor(name) for name in SENSORS], POLICY)
        by_onnx, by_keras = open_scorer(bundle, "onnx"), open_scorer(bundle, "keras")
        onnx = (bundle.folder / ONNX_FILE).read_bytes()
    show(list(compare(model, by_onnx, by_keras)))
    window = make_window(np.ones((40, len(SENSORS))), SENSORS)
    rows, lengths = rows_of(window)[None], np.array([window.length])
    ways: dict[str, Callable[[], object]] = {
        "onnx, the engine alone": partial(OnnxEngine(onnx).score, [rows], lengths),
        "onnx, the scorer": partial(by_onnx.score, [window]),
        "Keras compiled, the scorer": partial(by_keras.score, [window]),
    }
    for name, work in ways.items():
        Console().print(f"one window of 40 steps, {name}: median {latency_us(work):,.0f} us")


if __name__ == "__main__":
    main()

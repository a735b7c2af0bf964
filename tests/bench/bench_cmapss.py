"""The README's second example, timed and judged: FD001 through the real pipeline. Run it by hand: `python -m tests.bench cmapss`.

Needs the C-MAPSS files in `SENSORLINE_DATA`. Trains on the training file, replays the test file through a real Kafka, and
compares the prediction at each test engine's last cycle with the truth, raw and clipped at 125.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.recordings.labels import read_labels
from pipeline.records import Prediction
from pipeline.wire.predictions import decode_prediction
from tests.support.kafka_server import running_kafka

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SENSORLINE_DATA", ROOT.parent / "shared" / "data")) / "cmapss"
CAP = 125.0


def run(folder: Path, address: str, *command: str) -> bytes:
    """One command of the README; what it says goes on to standard error."""
    environment = {**os.environ, "SENSORLINE_CONFIG": str(folder / "cmapss.toml"), "SENSORLINE_BROKER__URL": f"kafka://{address}"}
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "pipeline.cli", *command], cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    sys.stderr.write(f"{time.perf_counter() - begin:6.1f} s  sensorline {' '.join(command)}\n")
    return done.stdout


def predict(folder: Path, address: str) -> list[Prediction]:
    """From the files to the predictions of the test engines."""
    shutil.copy(ROOT / "examples" / "cmapss.toml", folder)
    for split in ("train", "test"):
        run(folder, address, "convert", "cmapss", str(DATA), "--subset", "FD001", "--split", split, "--out", split)
    files = ("--recording", "train/recording.parquet", "--labels", "train/labels.parquet", "--out", "rul")
    run(folder, address, "train", *files, "--cap", str(CAP))
    run(folder, address, "topics", "create")
    run(folder, address, "replay", "test/recording.parquet", "--speed", "max")
    run(folder, address, "run", "--drain")
    return [decode_prediction(line) for line in run(folder, address, "tail", "predictions", "--from-start", "--until-end").splitlines()]


def judged(predictions: list[Prediction], labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true remaining useful life at the last cycle of each engine."""
    truth = {(label.device, label.time): float(label.outputs["rul"]) for label in read_labels(labels)}
    last = {device: max(time for owner, time in truth if owner == device) for device in {device for device, _ in truth}}
    found = {prediction.device: prediction.outputs["rul"] for prediction in predictions if prediction.window.end == last[prediction.device]}
    assert found.keys() == last.keys(), "every engine is judged"
    devices = sorted(found)
    return np.array([found[device] for device in devices]), np.array([truth[device, last[device]] for device in devices])


def rmse(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def phm_score(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The score of the PHM 2008 challenge: late predictions cost more than early ones (Saxena et al. 2008)."""
    late = predicted - truth
    return float(np.sum(np.where(late < 0, np.exp(-late / 13) - 1, np.exp(late / 10) - 1)))


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as name, running_kafka() as address:
        predictions = predict(Path(name), address)
        predicted, truth = judged(predictions, Path(name) / "test" / "labels.parquet")
    table = Table("FD001, 100 test engines, one seed", "RMSE", "PHM score")
    for label, wanted in (("raw labels", truth), ("labels clipped at 125", np.minimum(truth, CAP))):
        table.add_row(label, f"{rmse(predicted, wanted):.2f}", f"{phm_score(predicted, wanted):,.0f}")
    Console().print(table, f"{len(predictions):,} predictions")


if __name__ == "__main__":
    main()

"""How exactly a replay keeps the recorded pace: when each reading is in the log against when it was recorded; not a test.

`python -m tests.bench replay`; on Kafka where SENSORLINE_TEST_KAFKA names one (host:port), else on the embedded log.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from pipeline.wire.headers import parse_arrival
from tests.support.pipelines import new_pipeline

SECONDS, READINGS_PER_S, DEVICES, SPEEDS = 30, 50, 20, (1, 20)
SENSORS = '[sensors]\nnames = ["temperature"]\n'


def write_recording(path: Path, seconds: int) -> None:
    """Readings at random moments, `READINGS_PER_S` of them a second on the average."""
    source, moment_s, base_ms = random.Random(7), 0.0, int(time.time() * 1000) - 3_600_000
    with path.open("w") as file:
        while (moment_s := moment_s + source.expovariate(READINGS_PER_S)) < seconds:
            device = f"device-{source.randrange(DEVICES)}"
            json.dump({"device": device, "time": base_ms + round(moment_s * 1000), "values": {"temperature": 20.5}}, file)
            file.write("\n")


def lateness_ms(folder: Path, url: str, speed: int, processes: ExitStack) -> NDArray[np.float64]:
    """How much later than the most punctual reading each came into the log, against its recorded arrival."""
    pipeline = new_pipeline(folder, url, SENSORS, processes)
    write_recording(pipeline.folder / "recording.jsonl", SECONDS * speed)
    pipeline.succeeds("replay", "recording.jsonl", "--speed", str(speed))
    late = [record.timestamp - parse_arrival(record)[0] / speed for record in pipeline.records("readings")]
    return np.array(late) - min(late)


def main() -> None:
    kafka = os.environ.get("SENSORLINE_TEST_KAFKA")
    url = f"kafka://{kafka}" if kafka else "sqlite:///"
    sys.stdout.write(f"{'Kafka' if kafka else 'SQLite'}, {SECONDS} s each, {READINGS_PER_S} recorded readings a second; ms late\n")
    for speed in SPEEDS:
        with TemporaryDirectory(dir=Path.cwd()) as folder, ExitStack() as processes:
            late = lateness_ms(Path(folder) / "run", url, speed, processes)
        median, nearly_all = np.percentile(late, [50, 99])
        sys.stdout.write(f"speed {speed:>2}: {len(late):,} readings, median {median:.0f}, p99 {nearly_all:.0f}, most {late.max():.0f}\n")


if __name__ == "__main__":
    main()

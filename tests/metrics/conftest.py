"""One process with all stages, asked for its metrics after it has done everything once."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.drift import distribution
from pipeline.records import Reading
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE
from tests.support.commands import Running, eventually
from tests.support.models import make_contract, save, sound_model
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.windows import session_policy

SECTIONS = """
[sensors]
names = ["temperature", "vibration"]
[window]
gap = "10s"
out_of_orderness = "2s"
max_behind = "1000000d"
[model]
path = "pump"
[[alerts]]
name = "worn"
output = "rul"
below = 1000000.0
"""
SHOWN_WITHIN_S = 120


@dataclass
class Served:
    """A running process and the address of its metrics."""

    pipeline: Pipeline
    process: Running
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer; (0, "") where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def shows(self, sample: str) -> bool:
        """Whether this line is among the metrics now."""
        return sample in self.get("/metrics")[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    seen = [distribution(name, np.arange(100, dtype=np.float32)) for name in make_contract(session_policy()).things]
    contract = make_contract(session_policy(), distributions=tuple(seen))
    write_bundle(folder / "pump", contract, {MODEL_FILE: save(sound_model(), Path(folder) / "keras")})
    with ExitStack() as processes:
        pipeline = new_pipeline(folder, "sqlite:///", SECTIONS, processes)
        port = free_port()
        process = pipeline.start("--log-format", "json", "--log-level", "debug", "run", metrics__port=str(port))
        readings = [Reading("pump", 1000 * step, {"temperature": 20.0, "vibration": 0.5}) for step in (*range(5), 100, 101, 200)]
        pipeline.publish(*readings, Reading("pump", 1, {"temperature": 1.0}))
        served = Served(pipeline, process, f"http://127.0.0.1:{port}")
        eventually(lambda: pipeline.alerts(), SHOWN_WITHIN_S, lambda: process.said)
        # A stage's counts are shown some seconds late, each stage's in its own time.
        for count, stage, value in (("received", "window", 9), ("scored", "score", 2), ("received", "alert", 2)):
            shown = f'sensorline_{count}_total{{pipeline="{pipeline.name}",stage="{stage}"}} {value:.1f}'
            eventually(partial(served.shows, shown), SHOWN_WITHIN_S, lambda: served.get("/metrics")[1])
        yield served

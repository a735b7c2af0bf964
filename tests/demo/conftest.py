"""`sensorline demo` as a process, once for all tests: interrupted in the middle, then run to its end in the same folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

DEVICES = 4
COMMAND = [sys.executable, "-m", "pipeline.cli", "demo", "--devices", str(DEVICES)]
LONGEST_S = 120


@dataclass(frozen=True)
class Shown:
    """What somebody saw who ran the demo in `folder`."""

    folder: Path
    interrupted: subprocess.CompletedProcess[str]
    finished: subprocess.CompletedProcess[str]

    @property
    def made(self) -> Path:
        """The demo's own folder."""
        return self.folder / "sensorline-demo"


def environment() -> dict[str, str]:
    """As of somebody whose settings point to another log, in a terminal of 80 columns."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENSORLINE_")}
    return {**inherited, "COLUMNS": "80", "SENSORLINE_BROKER__URL": "kafka://localhost:1"}


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("stranger")
    return Shown(folder, interrupted(folder), run(folder))


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    return subprocess.run(
        [*COMMAND, *options], cwd=folder, env=environment(), capture_output=True, text=True, timeout=LONGEST_S, check=False
    )


def interrupted(folder: Path) -> subprocess.CompletedProcess[str]:
    """Presses Ctrl-C when the demo begins to train."""
    demo = subprocess.Popen(COMMAND, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stderr is not None
    said = []
    for line in demo.stderr:
        said.append(line)
        if line.startswith("2/"):
            break
    demo.send_signal(signal.SIGINT)
    out, rest = demo.communicate(timeout=LONGEST_S)
    return subprocess.CompletedProcess(COMMAND, demo.returncode, out, "".join(said) + rest)

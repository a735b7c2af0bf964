"""Who is compared: the peers' scripts and sensorline's own window process, each as a command line and a way to read its windows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pipeline.wire.windows import decode_window, window_times
from tests.bench.peers.task import CHECKPOINT_S, SESSION_TIMEOUT_S, Task
from tests.bench.peers.windows import Window

ROOT = Path(__file__).parents[3]
PARTITIONS = 4
REQUIREMENTS = "tests/bench/peers/requirements.txt"
DISTRIBUTIONS = ("kafka-python", "quixstreams", "bytewax", "faust-streaming")

_CONFIGURATION = """
[pipeline]
name = "{task.group}"
[broker]
url = "kafka://{task.address}"
[broker.kafka]
session_timeout_ms = {session_timeout_ms}
heartbeat_interval_ms = 2000
[topics]
readings = "{task.readings}"
windows = "{task.windows}"
rejected = "{task.late}"
partitions = {partitions}
[sensors]
names = ["value"]
[window]
kind = "session"
gap = "10s"
out_of_orderness = "5s"
idle_timeout = "15s"
max_length = 20000
max_pending = 20000
"""


class Contender(Protocol):
    """Anything that reads readings and publishes windows."""

    @property
    def name(self) -> str:
        """As it is called in the tables."""
        ...

    def prepare(self, task: Task, folder: Path) -> list[str]:
        """Makes what it needs in a folder that is its own for the task; returns the command, to be run there, again after a crash."""
        ...

    def decode(self, value: bytes) -> Window:
        """A record of its windows topic."""
        ...


@dataclass(frozen=True)
class Peer:
    """A script of this folder, in the environment of `python`. `recovery`: Bytewax's, which `bytewax.run` takes by options."""

    name: str
    python: str
    arguments: Sequence[str]
    partition_time: bool = False
    recovery: bool = False

    def prepare(self, task: Task, folder: Path) -> list[str]:
        told = replace(task, partition_time=self.partition_time).to_environment()
        command = ["env", f"PYTHONPATH={ROOT}", told, self.python, *self.arguments]
        if not self.recovery:
            return command
        (folder / "recovery").mkdir()
        subprocess.run([self.python, "-m", "bytewax.recovery", "recovery", str(PARTITIONS)], cwd=folder, check=True)
        return [*command, "-r", "recovery", "-s", str(CHECKPOINT_S), "-b", "0"]

    def decode(self, value: bytes) -> Window:
        found = json.loads(value)  # the one parser that takes NaN, which Python's writes for one that got in
        return Window(found["device"], tuple(found["times"]))


@dataclass(frozen=True)
class Sensorline:
    """The real process, in this environment."""

    name: str = "sensorline"

    def prepare(self, task: Task, folder: Path) -> list[str]:
        text = _CONFIGURATION.format(task=task, session_timeout_ms=SESSION_TIMEOUT_S * 1000, partitions=PARTITIONS)
        (folder / "sensorline.toml").write_text(text)
        return [sys.executable, "-m", "pipeline.cli", "window"]

    def decode(self, value: bytes) -> Window:
        found = decode_window(value)
        return Window(found.device, window_times(found))


def contenders(python: str) -> dict[str, Contender]:
    """All of them by name; `python` is that of the peers' environment."""
    package = "tests.bench.peers"
    found: list[Contender] = [
        Sensorline(),
        Peer("naive", python, ["-m", f"{package}.naive_loop"]),
        Peer("quix-key", python, ["-m", f"{package}.quix_sessions"]),
        Peer("quix-partition", python, ["-m", f"{package}.quix_sessions"], partition_time=True),
        Peer("bytewax", python, ["-m", "bytewax.run", f"{package}.bytewax_sessions"], recovery=True),
        Peer("faust", python, ["-m", f"{package}.faust_sessions", "worker", "--without-web", "--loglevel", "warn"]),
    ]
    return {contender.name: contender for contender in found}


def versions(python: str) -> str:
    """Of the peers; ends the program with what to do where they are missing."""
    source = "import sys; from importlib.metadata import version; print(*[f'{name} {version(name)}' for name in sys.argv[1:]], sep=', ')"
    try:
        done = subprocess.run([python, "-c", source, *DISTRIBUTIONS], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(
            f"the peers are not installed for {python}; they need an environment of their own:\n"
            f"    python3.11 -m venv build/peers && build/peers/bin/pip install -r {REQUIREMENTS}\n"
            "    python -m tests.bench peers --python build/peers/bin/python"
        ) from None
    return done.stdout.strip()

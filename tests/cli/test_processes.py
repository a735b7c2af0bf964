"""Commands as processes: signals, pipes, and what they load."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Process = Callable[..., subprocess.CompletedProcess[str]]

# Each takes a tenth of a second or more to import, TensorFlow seconds.
HEAVY = frozenset({"keras", "tensorflow", "pandas", "matplotlib", "pyarrow", "numpy", "kafka", "prometheus_client"})


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts a command that goes on until it is stopped."""
    command = [sys.executable, "-m", "pipeline.cli", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stage_stops_cleanly_when_it_is_told_to(recorded: Path, number: signal.Signals) -> None:
    stage = start(recorded, "window")
    assert stage.stderr is not None
    assert "assigned" in stage.stderr.readline()
    stage.send_signal(number)
    _, said = stage.communicate(timeout=30)
    assert stage.returncode == 0
    assert "Traceback" not in said


def test_tail_follows_until_it_is_interrupted(recorded: Path) -> None:
    tail = start(recorded, "tail", "readings", "--from-start")
    assert tail.stdout is not None
    assert tail.stdout.readline().startswith("{")
    tail.send_signal(signal.SIGINT)
    _, said = tail.communicate(timeout=30)
    assert tail.returncode == 0
    assert said == ""


def test_a_reader_that_has_seen_enough_ends_tail_silently(recorded: Path, process: Process) -> None:
    tail = start(recorded, "tail", "readings", "--from-start")
    assert tail.stdout is not None
    assert tail.stderr is not None
    assert tail.stdout.readline().startswith("{")
    tail.stdout.close()
    assert process("replay", "fleet.jsonl", "--speed", "max").returncode == 0, "there is more for tail to print"
    assert tail.wait(timeout=30) == 0
    assert tail.stderr.read() == ""
    tail.stderr.close()


def test_an_interrupt_before_anything_began_is_clean(folder: Path) -> None:
    pipe = folder / "pipe.toml"
    os.mkfifo(pipe)
    check = start(folder, "--config", str(pipe), "check")
    writer = open_when_read(pipe)  # from here on the process waits for its configuration
    check.send_signal(signal.SIGINT)
    _, said = check.communicate(timeout=30)
    os.close(writer)
    assert check.returncode == 130
    assert "Traceback" not in said


def open_when_read(pipe: Path) -> int:
    """Opens a named pipe for writing once somebody reads it."""
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise


@pytest.mark.parametrize(
    ("arguments", "may_load"),
    [
        (["--help"], ()),
        (["window", "--until-end"], ()),
        (["tail", "readings", "--until-end"], ()),
        (["simulate", "--devices", "1", "--duration", "1s"], ("numpy", "pyarrow")),
        (["replay", "fleet.jsonl", "--speed", "max"], ("numpy", "pyarrow")),
    ],
)
def test_no_process_loads_a_library_that_it_does_not_use(
    recorded: Path, process: Process, arguments: list[str], may_load: tuple[str, ...]
) -> None:
    assert (recorded / "fleet.jsonl").exists()
    done = process(*arguments, python_options=["-X", "importtime"])
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "pipeline.cli.main" in loaded
    assert loaded & (HEAVY - set(may_load)) == set()

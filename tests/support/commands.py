"""The command line as processes of its own: run to the end, or until a test stops, freezes or kills them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

PREFIX = "SENSORLINE_"
PAUSE_S = 0.05
STARTS_WITHIN_S = 60  # TensorFlow takes its time
STOPS_WITHIN_S = 15  # a stage promises ten seconds

Done = subprocess.CompletedProcess[str]
Answer = TypeVar("Answer")


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without its own settings, and with those given: `window__gap="10s"`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**inherited, **{f"{PREFIX}{name.upper()}": value for name, value in settings.items()}}


def command_line(*arguments: str, python_options: Sequence[str] = ()) -> list[str]:
    """What starts `sensorline` with these arguments."""
    return [sys.executable, *python_options, "-m", "pipeline.cli", *arguments]


def eventually(condition: Callable[[], Answer], within_s: float, otherwise: Callable[[], object] = lambda: "") -> Answer:
    """Asks until the answer is true, and returns it; `otherwise` says more where it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s; {otherwise()}"
        time.sleep(PAUSE_S)
    return answer


class Running:
    """A command that goes on until it is told to stop. What it says on standard error goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def said(self) -> str:
        """Its standard error up to now."""
        return self._log.read_text()

    def await_partitions(self, number: int) -> None:
        """Returns when the stages in it have so many partitions, all together."""
        eventually(lambda: self.said.count(" assigned at ") >= number, STARTS_WITHIN_S, lambda: self.said)

    def interrupt(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tells it to stop and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOPS_WITHIN_S)

    def kill(self) -> None:
        """Ends it without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stops it; it does nothing any more, also no heartbeats."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Ends `freeze`."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[Running]:
    """A command that runs in `folder` until the end of the block at most."""
    with running_process(folder, command_line(*arguments), **settings) as started:
        yield started


@contextmanager
def running_process(folder: Path, command: Sequence[str], **settings: str) -> Iterator[Running]:
    """Any process that runs in `folder` until the end of the block at most, with the environment that a command gets."""
    number = len(list(folder.glob("said-*.log")))
    log = folder / f"said-{number}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment(**settings), stdout=subprocess.DEVNULL, stderr=said)
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait()

"""The processes of a contender: started, killed, started again when they end by themselves, and measured."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import Running, running_process

MAX_STARTS = 6  # one and five more: then it would go on like that
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessGone(Exception):
    """A contender did not start, or said no more."""


@dataclass
class Worker:
    """One process with a folder of its own, and those that take its place there."""

    folder: Path
    command: Sequence[str]
    exits: int = 0  # by itself
    _stack: ExitStack = field(default_factory=ExitStack)
    _running: Running | None = None

    @contextmanager
    def running(self) -> Iterator[Worker]:
        """From now to the end of the block."""
        with self._stack:
            self._start()
            yield self

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return " ".join(self._running.said[-600:].split())[-300:] if self._running else ""

    def kill(self) -> None:
        """For good."""
        if self._running is not None:
            self._running.kill()
        self._running = None

    def kill_and_restart(self) -> None:
        """SIGKILL, then the same command in the same folder."""
        self.kill()
        self._start()

    def supervise(self) -> None:
        """Starts it again if it has ended by itself, a few times."""
        if self._running is not None and not self.alive:
            self.exits += 1
            self._running = None
            if self.exits < MAX_STARTS:
                self._start()

    def cpu_s(self) -> float:
        """Processor time of all its threads since it was started."""
        fields = self._proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def peak_rss_mb(self) -> float:
        """Its largest resident memory."""
        (line,) = [line for line in self._proc("status").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1000

    def _start(self) -> None:
        self._running = self._stack.enter_context(running_process(self.folder, self.command))

    def _proc(self, name: str) -> str:
        if self._running is None:
            raise ProcessGone(self.last_words)
        return Path(f"/proc/{self._running.process.pid}/{name}").read_text()

"""The processes of the three stages: hired, killed, frozen and let go, and replaced when they are gone.

Nothing here knows what a stage does. A process that ends for another reason than the driver's is a failure of the test.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.support.commands import STOPS_WITHIN_S, Running, command_line, running_process
from tests.support.failing_process import Place

PAUSE_S = 0.1
ENDED_ON_THE_SPOT = "ended on the spot"
LOGGED_LINES = 100
FAULT_HANDLER = ("-X", "faulthandler")  # says where a process was when it is aborted


@dataclass(eq=False)
class Member:
    """A process and what is known of its end."""

    stage: str
    running: Running
    fails_at: Place | None = None
    number: signal.Signals = signal.SIGKILL  # what it sends itself there
    frozen_at_s: float | None = None
    leaving_since_s: float | None = None

    @property
    def is_regular(self) -> bool:
        """It works, and nothing is planned for it."""
        return self.fails_at is None and self.frozen_at_s is None and self.leaving_since_s is None

    @property
    def has_stopped(self) -> bool:
        """The operating system says that it is stopped by a signal."""
        stat = Path(f"/proc/{self.running.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"


@dataclass
class Crew:
    """`wanted` members of each stage, and beside them those that will fail."""

    folder: Path
    processes: ExitStack
    random: Random
    frozen_for_s: float  # longer than the group waits for a member
    session_timeout_ms: int
    wanted: dict[str, int]
    members: list[Member] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def of(self, stage: str) -> list[Member]:
        """The members of a stage that have not ended."""
        return [member for member in self.members if member.stage == stage]

    def regulars(self, stage: str) -> list[Member]:
        """Those of them that nothing is planned for."""
        return [member for member in self.of(stage) if member.is_regular]

    def hire(self, stage: str) -> None:
        """Starts a member."""
        self.members.append(Member(stage, self._start(command_line(stage, python_options=FAULT_HANDLER))))

    def hire_failing(self, stage: str, place: Place, number: signal.Signals) -> None:
        """Starts a member that sends itself a signal at its first or second checkpoint; beside it others can go on."""
        times = "1" if place in (Place.AFTER_RESTORE, Place.AFTER_COMMIT) else str(self.random.randint(1, 2))
        command = [sys.executable, *FAULT_HANDLER, "-m", "tests.support.failing_process", stage, place.name, times, number.name]
        self.members.append(Member(stage, self._start(command), place, number))

    def kill(self, member: Member) -> None:
        """Kills it wherever it is."""
        self.members.remove(member)
        member.running.kill()
        self.kills["at random"] += 1

    def freeze(self, member: Member) -> None:
        """Stops it; it is continued when the group has given it up."""
        member.running.freeze()
        member.frozen_at_s = time.monotonic()

    def let_go(self, member: Member) -> None:
        """Tells it to stop."""
        member.running.process.send_signal(signal.SIGTERM)
        member.leaving_since_s = time.monotonic()

    def tend(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """For some time, or until it is done: buries, thaws and replaces members."""
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s and not done():
            self._look_after()
            time.sleep(PAUSE_S)

    def dismiss(self) -> None:
        """All stop cleanly."""
        for member in self.members:
            self.let_go(member)
        while self.members:
            self._look_after(replace=False)
            time.sleep(PAUSE_S)

    @property
    def is_waiting(self) -> bool:
        """Some have still to fail, to be continued or to end."""
        return not all(member.is_regular for member in self.members)

    def said(self) -> str:
        """The ends of the living members' logs."""
        return "\n".join(_last_words(member) for member in self.members)

    def _start(self, command: list[str]) -> Running:
        self.events["processes started"] += 1
        timeout_ms = str(self.session_timeout_ms)
        return self.processes.enter_context(running_process(self.folder, command, broker__kafka__session_timeout_ms=timeout_ms))

    def _look_after(self, replace: bool = True) -> None:
        for member in list(self.members):
            code = member.running.process.poll()
            if code is None:
                self._look_at(member)
            else:
                self.members.remove(member)
                self._bury(member, code)
        for stage, wanted in self.wanted.items() if replace else ():
            regulars = self.regulars(stage)
            for _ in range(wanted - len(regulars)):  # a frozen member is missing too: the group is to go on without it
                self.hire(stage)
            for member in regulars[: max(0, len(regulars) - wanted)]:  # the oldest: who was a zombie is to go on
                self.let_go(member)

    def _look_at(self, member: Member) -> None:
        now_s = time.monotonic()
        if member.frozen_at_s is None and member.number is signal.SIGSTOP and member.has_stopped:
            member.frozen_at_s = now_s
        elif member.frozen_at_s is not None and now_s - member.frozen_at_s > self.frozen_for_s:
            member.running.thaw()
            member.frozen_at_s, member.fails_at, member.number = None, None, signal.SIGKILL
            self.events["zombies continued"] += 1
        if member.leaving_since_s is not None and now_s - member.leaving_since_s > STOPS_WITHIN_S:
            raise AssertionError(f"it does not stop\n{_where_it_is(member)}")

    def _bury(self, member: Member, code: int) -> None:
        if member.leaving_since_s is not None:
            too_soon = code == -signal.SIGTERM and not member.running.said  # Python was still starting
            on_the_spot = code == 1 and ENDED_ON_THE_SPOT in member.running.said  # its group was being shared out for too long
            assert code == 0 or too_soon or on_the_spot, f"exit code {code}\n{_last_words(member)}"
            self.events["stopped on the spot" if on_the_spot else "stopped cleanly"] += 1
        else:
            assert member.fails_at is not None, f"exit code {code}\n{_last_words(member)}"
            assert code == -signal.SIGKILL, f"exit code {code}\n{_last_words(member)}"
            self.kills[member.fails_at.name.lower().replace("_", " ")] += 1


def _where_it_is(member: Member) -> str:
    """What a process that hangs said, and then the stacks of its threads."""
    member.running.process.send_signal(signal.SIGABRT)
    member.running.process.wait()
    return _last_words(member)


def _last_words(member: Member) -> str:
    lines = member.running.said.splitlines()[-LOGGED_LINES:]
    return "\n".join([f"--- {member.stage}, process {member.running.process.pid}", *lines])

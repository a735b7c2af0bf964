"""What the demo says while it works: on a terminal with a bar that moves, elsewhere in plain lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.clock import Clock

INDENT = 6


class Step:
    """A step under way, on the terminal's bar."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._result = ""

    def show(self, text: str, done: int = 0, total: int | None = None) -> None:
        """How far the step is; without a total the bar only shows that it is alive."""
        self._bar.update(self._task, description=text, completed=done, total=total)

    def conclude(self, text: str) -> None:
        """What the step came to."""
        self._result = text

    @property
    def result(self) -> str:
        """What it came to."""
        return self._result


class Narrator:
    """Tells the demo's steps, numbered, each with what came of it and how long it took."""

    def __init__(self, console: Console, clock: Clock, steps: int) -> None:
        self._console = console
        self._clock = clock
        self._steps = steps
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step: its title at once, its result at the end of the block."""
        self._number += 1
        self._console.print(Text.assemble((f"{self._number}/{self._steps}", "bold cyan"), "   ", (title, "bold")))
        begun_s = self._clock.monotonic_s()
        columns = (TextColumn(" " * (INDENT - 2)), SpinnerColumn(), BarColumn(24), TextColumn("{task.description}"), TimeElapsedColumn())
        # A bar that is not shown still takes what it is told.
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            step = Step(bar)
            yield step
        took = f"{self._clock.monotonic_s() - begun_s:.1f} s"
        room = max(1, min(self._console.width, 100) - INDENT - len(took))
        self._console.print(Text.assemble(" " * INDENT, f"{step.result:<{room}}", (took, "dim")), soft_wrap=True)

    def say(self, text: RenderableType = "") -> None:
        """Something between the steps."""
        self._console.print(text)


@contextmanager
def console_for_people() -> Iterator[Console]:
    """A console on standard error.

    On a descriptor of its own: TensorFlow's start silences file descriptor 2, and the bar should go on moving.
    """
    with open(os.dup(2), "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - a descriptor has no path
        yield Console(file=file, highlight=False, soft_wrap=False)

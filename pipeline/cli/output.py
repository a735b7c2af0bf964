"""Standard output carries data: one line for each record. What is said to people goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from pipeline.errors import SensorlineError


def write_line(line: bytes) -> None:
    """One line of data, written at once: a reader in a pipe waits for it. Ends the command when the reader has gone."""
    try:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # `sensorline tail ... | head` has seen enough. The interpreter flushes once more at its end: into nothing, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        raise SensorlineError(f"standard output cannot be written: {error.strerror}") from None


def say(text: str) -> None:
    """One line for a person."""
    typer.echo(text, err=True)


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[int, int], None] | None]:
    """Shows how many readings are done, where standard error is a terminal; else gives None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("readings", total=total)
        yield lambda done, _time: bar.update(task, completed=done)

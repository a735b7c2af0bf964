"""Another process that has a SQLite log open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent


@contextmanager
def child(path: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the log open as `broker`; killed at the end if it still lives."""
    prelude = f"""
        from pathlib import Path
        from pipeline.brokers.protocol import *
        from pipeline.brokers.sqlite.broker import SqliteBroker
        from pipeline.clock import SystemClock
        from pipeline.errors import *
        broker = SqliteBroker(Path({str(path)!r}), SystemClock())
        publisher = broker.publisher()
    """
    command = [sys.executable, "-c", dedent(prelude) + dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """What the process says next; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()

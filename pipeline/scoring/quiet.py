"""Silence while a library loads that writes to the process's standard error by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discards what is written to file descriptor 2, also by native code; Python's exceptions pass.

    TensorFlow's start-up lines come from native code before any of its log levels applies.
    """
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)

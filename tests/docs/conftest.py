"""Shells in which pages are typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.typed import Shell

OpenShell = Callable[..., Shell]


@pytest.fixture
def open_shell(tmp_path: Path) -> Iterator[OpenShell]:
    """Opens shells in folders of their own; at the end of the test all that they have started is stopped."""
    with ExitStack() as shells:

        def opened(folder: str = "empty", **options: object) -> Shell:
            shell = Shell(tmp_path / folder, **options)  # type: ignore[arg-type]
            shells.callback(shell.close)
            return shell

        yield opened

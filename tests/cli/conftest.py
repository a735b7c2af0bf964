"""The command line as a real process, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIGURATION = '[sensors]\nnames = ["temperature", "vibration", "current"]\n[window]\ngap = "15s"\n'

Sensorline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration file for the simulated fleet on the embedded log."""
    (tmp_path / "sensorline.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def sensorline(folder: Path) -> Sensorline:
    """Runs one command in the folder; keyword arguments are settings, `window__gap="10s"`."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=folder,
            env=process_environment(**settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def process_environment(**settings: str) -> dict[str, str]:
    """This process's environment without its own settings, and with those given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENSORLINE_")}
    return {**inherited, **{f"SENSORLINE_{name.upper()}": value for name, value in settings.items()}}

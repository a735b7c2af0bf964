"""The command line in this process (quick) and as a process of its own (exit codes, signals, imports)."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.cli.main import main
from tests.support.commands import PREFIX, Done, command_line, environment

CONFIGURATION = '[sensors]\nnames = ["temperature", "vibration", "current"]\n[window]\ngap = "15s"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration file for the simulated fleet on the embedded log."""
    (tmp_path / "sensorline.toml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def sensorline(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """Runs one command in the folder; keyword arguments are settings: `window__gap="10s"`."""
    log = logging.getLogger()
    handlers, level = list(log.handlers), log.level
    monkeypatch.chdir(folder)

    def run(*arguments: str, **settings: str) -> Done:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(PREFIX)]:
                patch.delenv(name)
            for name, value in environment(**settings).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main(arguments)
        captured = capfd.readouterr()
        assert isinstance(end.value.code, int)
        return subprocess.CompletedProcess(arguments, end.value.code, captured.out, captured.err)

    yield run
    log.handlers, log.level = handlers, level


@pytest.fixture
def process(folder: Path) -> Callable[..., Done]:
    """Like `sensorline`, as a process of its own, which also takes Python's own options."""

    def run(*arguments: str, python_options: Sequence[str] = (), **settings: str) -> Done:
        command = command_line(*arguments, python_options=python_options)
        return subprocess.run(command, cwd=folder, env=environment(**settings), capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def recorded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small fleet was recorded, replayed and cut into windows."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "sensorline.toml").write_text(CONFIGURATION)
    for command in (
        ["topics", "create"],
        ["simulate", "--devices", "3", "--duration", "10m", "--out", "fleet.jsonl"],
        ["replay", "fleet.jsonl", "--speed", "max"],
        ["window", "--drain"],
    ):
        done = subprocess.run(command_line(*command), cwd=folder, env=environment(), capture_output=True, check=True)
        assert done.stdout == b"", "standard output carries data only"
    return folder


@pytest.fixture
def recorded(recorded_folder: Path, folder: Path) -> Path:
    """The test's own copy of `recorded_folder`."""
    shutil.copytree(recorded_folder, folder, dirs_exist_ok=True)
    return folder

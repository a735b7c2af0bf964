"""`docs/testing.md`: its files are written, its commands run, and its test fails when the model changes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.backtests import add_model
from tests.support.commands import command_line, environment

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
FILES = re.findall(r"^```(?:toml|python)\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the page, two models, and the recording that its command makes."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, "utf-8")
    add_model(tmp_path, "one", 4)
    add_model(tmp_path, "two", 5)
    subprocess.run(command_line(*COMMANDS[0].split()[1:]), cwd=tmp_path, env=environment(), check=True, capture_output=True)
    return tmp_path


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A `pytest` command; the plugin is named where the installed package does not name it yet."""
    known = any(point.value == "pipeline.testing" for point in entry_points(group="pytest11"))
    plugin = [] if known else ["-p", "pipeline.testing"]
    line = [sys.executable, "-m", "pytest", *plugin, *command.split()[1:]]
    return subprocess.run(
        line, cwd=folder, env=environment(pipeline__name="other"), capture_output=True, text=True, check=False, timeout=100
    )


def test_the_page_works_from_its_first_command_to_its_last(project: Path) -> None:
    assert [command.split()[0] for command in COMMANDS] == ["sensorline", "pytest", "pytest"]
    update, compare = COMMANDS[1:]
    first = run(project, compare)
    assert first.returncode == 1
    assert "nothing is stored yet; `pytest --update-golden` stores what comes out now" in first.stdout
    assert run(project, update).returncode == 0
    stored = (project / "expected" / "predictions.jsonl").read_text()
    assert len(stored.splitlines()) > 10
    assert (project / "expected" / "alerts.jsonl").is_file()
    assert run(project, compare).returncode == 0

    shutil.rmtree(project / "models" / "one")
    (project / "models" / "two").rename(project / "models" / "one")
    changed = run(project, compare)
    assert changed.returncode == 1
    assert re.search(r"\d+ of \d+ windows changed.* \(a: stored, b: now\)", changed.stdout)
    assert re.search(r"machine-0\d, window until 2026-01-01 .*: wear was -?[\d.e-]+, is -?[\d.e-]+", changed.stdout)

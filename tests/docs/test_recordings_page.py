"""`docs/recordings.md`: each command that it shows is there, with each of its options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from pipeline.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "recordings.md").read_text("utf-8")
LINES = re.findall(r"^    (sensorline .*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_is_there_with_its_options(line: str) -> None:
    _, *words = shlex.split(line.partition(" #")[0])
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_page_shows_commands_and_names_options_that_exist() -> None:
    assert len(LINES) > 10
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    names = ("record", "recordings", "replay", "backtest", "diff")
    known = {option for name in names for parameter in group.commands[name].params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known

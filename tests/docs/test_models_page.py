"""`docs/models.md`: each command that it shows is there, with each of its options, and each channel that it names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from pipeline.cli.main import app
from pipeline.core.channels import CHANNEL_NAMES, parse_channel
from pipeline.training.recipe import Task, parse_channels
from tests.bench.__main__ import MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
LINES = re.findall(r"^    (sensorline .*)$", PAGE, re.MULTILINE)


def options_of(*names: str) -> set[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return {option for name in names for parameter in group.commands[name].params for option in parameter.opts}


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_is_there_with_its_options(line: str) -> None:
    _, name, *words = shlex.split(line.partition(" #")[0])
    assert {word for word in words if word.startswith("--")} <= options_of(name)
    if "--channels" in words:
        assert parse_channels(words[words.index("--channels") + 1])


def test_the_page_shows_commands_and_names_options_that_exist() -> None:
    assert len(LINES) > 10
    of_benchmarks = {"--subset", "--cell", "--seeds", "--keep"}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= options_of("train", "evaluate") | of_benchmarks


def test_each_channel_and_each_task_is_explained() -> None:
    shown = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    names = {name for cell in shown for name in re.findall(r"`([a-z]+[^`]*)`", cell)}
    channels = {name for name in names if name.partition(":")[0] in CHANNEL_NAMES}
    assert {parse_channel(name).__class__ for name in channels} == {
        parse_channel(name).__class__ for name in ("value", "change", "observed", "delta", "ema:1", "age")
    }
    assert names >= set(Task)


def test_each_figure_has_its_command() -> None:
    assert set(re.findall(r"python -m tests\.bench ([a-z]+)", PAGE)) == set(MODELS)

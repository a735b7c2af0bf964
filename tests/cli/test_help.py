"""Every command has a help that reads as a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from pipeline.cli.main import app


def commands(group: TyperGroup, *path: str) -> Iterator[tuple[str, ...]]:
    """The words that name each command of the command line."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def all_commands() -> list[tuple[str, ...]]:
    """Every command of `sensorline`."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return list(commands(group))


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_each_command_explains_itself_in_a_sentence(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    paragraphs = [line.strip() for line in shown.output.splitlines() if line.strip()]
    explanation = " ".join(paragraphs[1:4])
    assert explanation[0].isupper()
    assert "." in explanation


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_each_option_is_explained(words: tuple[str, ...]) -> None:
    command: object = typer.main.get_command(app)
    for word in words:
        assert isinstance(command, TyperGroup)
        command = command.commands[word]
    for parameter in getattr(command, "params", []):
        assert parameter.help, f"{' '.join(words)}: {parameter.name} has no help"


def test_commands_are_the_designed_ones() -> None:
    assert {words[0] for words in all_commands()} >= {"topics", "check", "simulate", "replay", "convert", "window", "score", "alert", "run"}

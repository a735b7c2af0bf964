"""Every command has a help that reads as a sentence."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from tests.support.command_tree import all_commands

COMMANDS = all_commands()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_explains_itself_in_a_sentence(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    paragraphs = [line.strip() for line in shown.output.splitlines() if line.strip()]
    explanation = " ".join(paragraphs[1:4])
    assert explanation[0].isupper()
    assert "." in explanation


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_option_is_explained(words: tuple[str, ...]) -> None:
    for parameter in COMMANDS[words].params:
        assert getattr(parameter, "help", None), f"{' '.join(words)}: {parameter.name} has no help"


def test_commands_are_the_designed_ones() -> None:
    assert {words[0] for words in COMMANDS} >= {"topics", "check", "simulate", "replay", "convert", "window", "score", "alert", "run"}

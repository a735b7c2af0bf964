"""The commands of the command line, as tests of its help and of its reference go through them."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.cli.main import app


def all_commands() -> dict[tuple[str, ...], TyperCommand]:
    """Every command of `sensorline`, by the words that name it."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return dict(_commands(root))


def _commands(group: TyperGroup, *path: str) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *path, name)
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command

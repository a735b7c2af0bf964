"""The reference of the command line, made from the commands and the errors: values in, Markdown out. It knows no Sphinx.

An option is written as the directive `option`, so that it has a link and is found by the search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from pipeline.cli.main import app
from pipeline.errors import SensorlineError

PROGRAM = "sensorline"


def commands() -> str:
    """Every command by its panel of `sensorline --help`, with its arguments and options."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    lines = ["## Options of every command\n", f"    {PROGRAM} [OPTIONS] COMMAND ...\n", *_parameters(root, PROGRAM)]
    for panel, members in groupby(_leaves(root, PROGRAM), lambda leaf: leaf[0]):
        lines.append(f"## {panel}\n")
        for _, words, command in members:
            lines += [f"### `{words}`\n", *_command(words, command)]
    return "\n".join(lines)


def exit_codes() -> str:
    """Every exit code, and what to do then."""
    meanings = {0: "Done.", 130: "Interrupted by Ctrl-C, before there was anything to end cleanly."}
    meanings |= {error.exit_code: _first_paragraph(error.__doc__) for error in _errors(SensorlineError) if "exit_code" in vars(error)}
    rows = [f"| {code} | {meanings[code]} |" for code in sorted(meanings)]
    return "\n".join(["## Exit codes\n", "| code | means |", "|---|---|", *rows, ""])


def _leaves(group: TyperGroup, path: str, panel: str = "") -> Iterator[tuple[str, str, TyperCommand]]:
    """Panel, words and command of each command, in the order of the help: by panel, a group where its name stands."""
    panels = list(dict.fromkeys(_panel(command) for command in group.commands.values()))
    for name, command in sorted(group.commands.items(), key=lambda item: panels.index(_panel(item[1]))):
        words = f"{path} {name}"
        if isinstance(command, TyperGroup):
            yield from _leaves(command, words, panel or _panel(command))
        elif isinstance(command, TyperCommand):
            yield panel or _panel(command), words, command


def _panel(command: object) -> str:
    panel = getattr(command, "rich_help_panel", None)
    return panel if isinstance(panel, str) else ""


def _command(words: str, command: TyperCommand) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    yield _prose(command.help or "") + "\n"
    yield f"    {' '.join([words, '[OPTIONS]', *map(_placeholder, arguments)])}\n"
    yield from _parameters(command, words)


def _parameters(command: TyperCommand | TyperGroup, words: str) -> Iterator[str]:
    """Arguments and options, with the headings under which the help shows them."""
    context = typer.Context(command, info_name=words)
    yield f"```{{program}} {words}\n```\n"
    heading = ""
    for parameter in command.params:
        assert isinstance(parameter, TyperArgument | TyperOption)
        record = parameter.get_help_record(context)
        if record is None:
            continue
        if _panel(parameter) != heading:
            heading = _panel(parameter)
            yield f"**{heading}**\n"
        declared = _placeholder(parameter) if isinstance(parameter, TyperArgument) else record[0].replace(" / ", ", ")
        text = parameter.help or ""
        remark = record[1].removeprefix(text).strip().strip("[]")
        yield f"```{{option}} {declared}\n{_prose(text)}{f' ({remark})' if remark else ''}\n```\n"


def _placeholder(argument: TyperArgument) -> str:
    if argument.metavar is not None:
        return argument.metavar
    return str(argument.name).upper() if argument.required else f"[{str(argument.name).upper()}]"


def _prose(text: str) -> str:
    """A help text as Markdown: options as code, and no sign of it taken for markup."""
    parts = re.split(r"(`[^`]*`|(?<!\w)--[a-z][a-z-]*)", text)
    return "".join(f"`{part}`" if part.startswith("--") else part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([*<\[\]])", r"\\\1", text)


def _errors(error: type[SensorlineError]) -> Iterator[type[SensorlineError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _errors(kind)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())

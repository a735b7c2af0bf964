"""`sensorline alerts test`: what alert rules would have fired on a recording."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, only_warnings
from pipeline.cli.output import say, write_line
from pipeline.config import load

app = typer.Typer(help="Try the alert rules.", no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Try the alert rules."""


@app.command("test")
def try_out(
    context: typer.Context,
    recording: Annotated[Path, typer.Option(help="A recording: .parquet, .csv, .jsonl, or a folder of them.")],
    rules: Annotated[
        Path | None, typer.Argument(help="The configuration file with the rules; without it the configuration of this invocation.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="The model, instead of that of the configuration.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Lines of JSON, one for each alert, instead of a table.")] = False,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw a timeline of the alerts, as PNG.")] = None,
) -> None:
    """Show which alerts a recording would have raised and cleared, by the real stages on a log in memory.

    Nothing is read from or written to the configured broker, and nothing is sent to a destination.
    """
    from pipeline.cli.alert_trial import try_rules
    from pipeline.cli.alerts_view import draw, json_lines, table_of

    only_warnings(context)
    chosen = configuration(context) if rules is None else load(rules, os.environ)
    try:
        trial = try_rules(chosen, recording, bundle)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if plot is not None:
        draw(trial, [rule.name for rule in chosen.settings.alerts], plot)
        say(f"timeline: {plot}")
    if json:
        for line in json_lines(trial):
            write_line(line)
    elif trial.episodes:
        from rich.console import Console

        console, table = Console(), table_of(trial)
        # In a pipe nothing is cut off.
        console.width = console.width if console.is_terminal else max(console.width, console.measure(table).maximum)
        console.print(table)
    else:
        say("no alert")

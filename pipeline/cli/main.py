"""`sensorline`: the options of every command, the list of commands, and how an error ends the process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import (
    alerts,
    backtest,
    check,
    converting,
    dashboard,
    evaluate,
    explain,
    feeds,
    models,
    producing,
    recording,
    replaying,
    stages,
    state,
    tail,
    topics,
    training,
)
from pipeline.cli.context import Invocation
from pipeline.cli.demo.command import demo
from pipeline.errors import SensorlineError
from pipeline.logs import LogFormat, LogLevel, set_up

log = logging.getLogger(__name__)

app = typer.Typer(
    name="sensorline",
    help="Irregular sensor readings become windows per device, windows become scores, scores become alerts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# The groups of `--help`, in the order in which one needs them.
_PANELS: Mapping[str, Sequence[Callable[..., None]]] = {
    "Begin": (demo, check.check, tail.schema),
    "Readings": (producing.simulate, replaying.replay, feeds.mqtt, feeds.http, feeds.ingest),
    "Stages": (stages.window, stages.score, stages.alert, stages.notify, stages.run),
    "Models": (training.lengths, training.train, evaluate.evaluate, models.bundle, models.probe, backtest.backtest, backtest.diff),
    "Look and keep": (tail.tail, dashboard.dashboard, explain.explain, recording.record, recording.recordings),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
for name, group, panel in (
    ("topics", topics.app, "Begin"),
    ("state", state.app, "Stages"),
    ("convert", converting.app, "Readings"),
    ("alerts", alerts.app, "Stages"),
):
    app.add_typer(group, name=name, rich_help_panel=panel)


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(envvar="SENSORLINE_CONFIG", help="The configuration file; without it sensorline.toml, if it is in this folder."),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="How the log on standard error looks.")] = LogFormat.TEXT,
    log_level: Annotated[LogLevel, typer.Option(help="From which level on events are logged.")] = LogLevel.INFO,
) -> None:
    """Irregular sensor readings become windows per device, windows become scores, scores become alerts."""
    set_up(log_format, log_level)
    context.obj = Invocation(config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line, without arguments that of the process, and ends the process.

    0: done. 2: usage, configuration or a missing topic. 3: broker. 4: model. 130: interrupted. 1: anything else.
    """
    try:
        app(arguments, prog_name="sensorline")
    except SensorlineError as error:
        log.debug("the command failed", exc_info=True)
        _say(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        log.debug("the command failed", exc_info=True)
        _say(f"unexpected {type(error).__name__}: {error}".replace("\n", " ") + " (--log-level debug shows the traceback)")
        sys.exit(1)


def _say(text: str) -> None:
    for line in text.splitlines():
        sys.stderr.write(f"error: {line}\n")

"""`sensorline`: the options of every command, the list of commands, and how an error ends the process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
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
app.command()(demo)
app.add_typer(topics.app, name="topics")
app.add_typer(state.app, name="state")
app.command()(check.check)
app.command()(producing.simulate)
app.add_typer(converting.app, name="convert")
app.command()(replaying.replay)
app.command()(feeds.mqtt)
app.command()(feeds.http)
app.command()(feeds.ingest)
app.command()(stages.window)
app.command()(stages.score)
app.command()(stages.alert)
app.command()(stages.notify)
app.add_typer(alerts.app, name="alerts")
app.command()(stages.run)
app.command()(recording.record)
app.command()(recording.recordings)
app.command()(backtest.backtest)
app.command()(backtest.diff)
app.command()(tail.tail)
app.command()(dashboard.dashboard)
app.command()(explain.explain)
app.command()(training.lengths)
app.command()(training.train)
app.command()(evaluate.evaluate)
app.command()(models.bundle)
app.command()(models.probe)
app.command()(tail.schema)


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

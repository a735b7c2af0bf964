"""`sensorline record` and `recordings`: topics come to files, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, connector
from pipeline.cli.output import write_line
from pipeline.config.durations import parse_duration
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from pipeline.runner import Finish
from pipeline.stages.protocol import Accept


def record(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC]...", help="readings, windows, predictions, alerts, rejected; without any, readings."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the recordings: <topic>/day=YYYY-MM-DD/part-*.parquet in it.")] = Path(
        "recordings"
    ),
    every: Annotated[str, typer.Option(help="Complete the files so often.")] = "60s",
    megabytes: Annotated[int, typer.Option(min=1, help="Complete the files when so many MB of rows are in memory.")] = 64,
    group: Annotated[
        str | None, typer.Option(metavar="NAME", help="The consumer groups are NAME.<topic>; without it <pipeline>.record.")
    ] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at what is now the end of the topics.")] = False,
    from_log_start: Annotated[
        bool,
        typer.Option(
            "--from-log-start", help="Where the committed position is outside the log, go on at its start; what is missing shows."
        ),
    ] = False,
) -> None:
    """Record topics to Parquet files, from the start of the log, until interrupted.

    A file is there whole or not at all, and a position is committed only when the files up to it are on the disk: whatever is
    killed, a restart leaves no reading out and none twice. A replay of recorded readings gives the windows that they gave live.
    """
    from consumers.recorder import Recording
    from consumers.recorder import record as run_recorder

    chosen = configuration(context)
    finish = Finish.UNTIL_END if until_end else Finish.NEVER
    accept = Accept.LOG_START if from_log_start else Accept.NOTHING
    names = tuple(dict.fromkeys(kinds or ["readings"]))
    recording = Recording(names, out, _every_ms(every), megabytes * 1_000_000, group, finish, accept)
    with stop_on_signals() as stop:
        run_recorder(chosen.settings, recording, connector(chosen), stop)


def _every_ms(text: str) -> int:
    try:
        every_ms = parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--every {text}: {error}") from None
    if every_ms < 1:
        raise ConfigurationError(f"--every {text}: must be at least 1ms")
    return every_ms


def recordings(
    folder: Annotated[Path, typer.Argument(help="The folder that `sensorline record` wrote to, or that of one topic in it.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each topic and segment instead of tables.")] = False,
) -> None:
    """List what was recorded: topics, devices, time, number of readings, and what is missing.

    Missing offsets are records that no file has. The longest silence is the longest time in which nothing arrived.
    """
    import msgspec

    from pipeline.cli.recordings_view import show
    from pipeline.recordings.survey import survey

    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; give the one that `sensorline record` wrote to")
    found = survey(folder)
    if not found:
        raise ConfigurationError(f"{folder}: holds no recorded topic")
    if as_json:
        for segment in found:
            write_line(msgspec.json.encode(segment))
    else:
        show(found)

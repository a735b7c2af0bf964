"""`sensorline window`, `score`, `alert` and `run`: stages as one process.

Each gets ready in the order in which exit codes are checked: configuration, model, broker, topics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from consumers.launch import TOPICS_OF, Launch, build_stages, require_topics, run_stages
from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import MemoryUrl, parse_url
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import write_line
from pipeline.cli.producing import replay_file
from pipeline.cli.tail import follow
from pipeline.config import Configuration, Settings
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from pipeline.runner import Finish
from pipeline.stages.protocol import Accept
from pipeline.wire.lines import json_line
from producers.replay import ReplayPolicy

Group = Annotated[str | None, typer.Option(metavar="NAME", help="The consumer group, instead of the pipeline's name and the stage's.")]
Drain = Annotated[bool, typer.Option("--drain", help="Stop at what is now the end of the input, and close what is open.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop at what is now the end of the input, and leave open what is open.")]
AnyWindows = Annotated[bool, typer.Option("--any-windows", help="Score although the model was made for other windows.")]

Repartition = Annotated[
    bool, typer.Option("--accept-repartition", help="Go on although the input topic has got more partitions and devices may have moved.")
]
LogStart = Annotated[
    bool, typer.Option("--from-log-start", help="Where the committed position is outside the log, begin at its start, without state.")
]


def window(
    context: typer.Context,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    accept_repartition: Repartition = False,
    from_log_start: LogStart = False,
) -> None:
    """Cut the readings of each device into windows, until interrupted."""
    accept = _accept(accept_repartition, from_log_start)
    _run(configuration(context), Launch(("window",), group, _finish(drain, until_end), accept=accept))


def score(
    context: typer.Context,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    any_windows: AnyWindows = False,
    from_log_start: LogStart = False,
) -> None:
    """Score windows with the configured model, until interrupted."""
    accept = _accept(False, from_log_start)
    _run(configuration(context), Launch(("score",), group, _finish(drain, until_end), any_windows, accept))


def alert(
    context: typer.Context,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    accept_repartition: Repartition = False,
    from_log_start: LogStart = False,
) -> None:
    """Raise and clear alerts by the configured rules, until interrupted."""
    accept = _accept(accept_repartition, from_log_start)
    _run(configuration(context), Launch(("alert",), group, _finish(drain, until_end), accept=accept))


def run(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="window, score, alert; without any, all.")] = None,
    replay: Annotated[str | None, typer.Option(metavar="FILE", help="First replay this recording, as fast as possible.")] = None,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    any_windows: AnyWindows = False,
    accept_repartition: Repartition = False,
    from_log_start: LogStart = False,
) -> None:
    """Run several stages in one process, until interrupted.

    On memory:// it makes the topics itself, closes all windows after the recording, and prints predictions and alerts as
    JSON Lines, each with its topic.
    """
    chosen = configuration(context)
    in_memory = isinstance(parse_url(chosen.settings.broker.url, chosen.folder), MemoryUrl)
    if in_memory and replay is None:
        raise ConfigurationError("broker.url = memory://: holds no readings but those of --replay FILE")
    finish = _finish(drain or (in_memory and not until_end), until_end)
    accept = _accept(accept_repartition, from_log_start)
    _run(chosen, Launch(tuple(names or TOPICS_OF), group, finish, any_windows, accept), replay, in_memory)


def _run(chosen: Configuration, launch: Launch, replay: str | None = None, in_memory: bool = False) -> None:
    """`in_memory`: nobody else sees the log, so its topics are made here and its results are printed."""
    settings = chosen.settings
    stages = build_stages(settings, launch)
    connect = connector(chosen)
    with connected(connect) as broker:
        for topic in settings.topics.all() if in_memory else ():
            broker.create_topic(topic)
        require_topics(broker, settings, launch, stages)
    with stop_on_signals() as stop:
        if replay is not None:
            replay_file(chosen, connect, replay, ReplayPolicy(settings.window.idle_timeout_ms, speed=None), stop)
        run_stages(settings, launch, stages, connect, stop)
    if in_memory:
        _print_results(connect, settings)


def _print_results(connect: Callable[[], Broker], settings: Settings) -> None:
    for kind in ("predictions", "alerts"):
        topic = settings.topics.names()[kind]
        with connected(connect) as broker:
            for record in follow(broker, topic, from_start=True, until_end=True):
                line = json_line(kind, record, topic)
                if line is not None:
                    write_line(line)


def _accept(repartition: bool, log_start: bool) -> Accept:
    accept = Accept.REPARTITION if repartition else Accept.NOTHING
    return accept | Accept.LOG_START if log_start else accept


def _finish(drain: bool, until_end: bool) -> Finish:
    if drain and until_end:
        raise ConfigurationError("--drain and --until-end: only one of them; the first closes what is open, the second does not")
    return Finish.DRAIN if drain else Finish.UNTIL_END if until_end else Finish.NEVER

"""`sensorline window`, `score`, `alert`, `notify` and `run`: stages as one process.

Each gets ready in the order in which exit codes are checked: configuration, model, broker, topics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from consumers.launch import TOPICS_OF, Launch, Shadow, build_stages, require_topics, run_stages, with_left_over
from pipeline.brokers.protocol import Broker
from pipeline.cli.context import configuration, connected, connector, is_in_memory
from pipeline.cli.output import write_line
from pipeline.cli.replaying import replay_file
from pipeline.cli.tail import follow
from pipeline.clock import SystemClock
from pipeline.config import Configuration, Settings
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from pipeline.recordings.selection import Selection
from pipeline.runner import Finish
from pipeline.stages.protocol import Accept
from pipeline.wire.lines import json_line
from producers.pacing import Pacer
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


def score(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    any_windows: AnyWindows = False,
    from_log_start: LogStart = False,
    shadow: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Score the same windows with a second model too, instead of [model] shadow.")
    ] = None,
    shadow_only: Annotated[bool, typer.Option("--shadow-only", help="Score with the second model only: for a process of its own.")] = False,
    no_shadow: Annotated[bool, typer.Option("--no-shadow", help="Score without the configured second model.")] = False,
) -> None:
    """Score windows with the configured model, until interrupted.

    The predictions of a second model go to the topic PREDICTIONS.shadow, for `sensorline diff`; whatever happens to it, the
    first one goes on. Where a bundle is replaced, the new model takes over without a pause ([model] reload).
    """
    if no_shadow and (shadow is not None or shadow_only):
        raise ConfigurationError("--no-shadow: only without --shadow and --shadow-only")
    chosen = configuration(context)
    if shadow is not None:
        model = chosen.settings.model.model_copy(update={"shadow": shadow.absolute()})
        chosen = replace(chosen, settings=chosen.settings.model_copy(update={"model": model}))
    mode = Shadow.NONE if no_shadow else Shadow.ONLY if shadow_only else _beside(chosen.settings)
    accept = _accept(False, from_log_start)
    _run(chosen, Launch(("score",), group, _finish(drain, until_end), any_windows, accept, shadow=mode))


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


def notify(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[DESTINATION]...", help="By their names; without any, all.")] = None,
    until_end: UntilEnd = False,
) -> None:
    """Deliver alerts to the configured destinations, until interrupted.

    Each destination has a consumer group of its own. An alert that is not taken is tried again, for as long as it takes.
    """
    chosen = configuration(context)
    if not chosen.settings.destinations:
        raise ConfigurationError('destinations: there are none; write [[destinations]] name = "ops" kind = "webhook" url = "https://..."')
    _run(chosen, Launch(("notify",), None, _finish(False, until_end), destinations=names or None))


def run(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="window, score, alert, notify; without any, all.")] = None,
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
    in_memory = is_in_memory(chosen)
    if in_memory and replay is None:
        raise ConfigurationError("broker.url = memory://: holds no readings but those of --replay FILE")
    finish = _finish(drain or (in_memory and not until_end), until_end)
    accept = _accept(accept_repartition, from_log_start)
    _run(chosen, Launch(tuple(names or TOPICS_OF), group, finish, any_windows, accept, shadow=_beside(chosen.settings)), replay, in_memory)


def _run(chosen: Configuration, launch: Launch, replay: str | None = None, in_memory: bool = False) -> None:
    """`in_memory`: nobody else sees the log, so its topics are made here and its results are printed."""
    settings = chosen.settings
    connect = connector(chosen, alone=in_memory)
    stages = build_stages(settings, launch)
    with connected(connect) as broker:
        for topic in settings.own_topics() if in_memory else ():
            broker.create_topic(topic)
        stages = with_left_over(broker, settings, launch, stages)
        require_topics(broker, settings, launch, stages)
    with stop_on_signals() as stop:
        if replay is not None:
            policy = ReplayPolicy(settings.window.idle_timeout_ms, speed=None)
            replay_file(chosen, connect, (replay, Selection(), None), policy, Pacer(SystemClock(), stop))
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


def _beside(settings: Settings) -> Shadow:
    return Shadow.NONE if settings.model.shadow is None else Shadow.BESIDE


def _accept(repartition: bool, log_start: bool) -> Accept:
    accept = Accept.REPARTITION if repartition else Accept.NOTHING
    return accept | Accept.LOG_START if log_start else accept


def _finish(drain: bool, until_end: bool) -> Finish:
    if drain and until_end:
        raise ConfigurationError("--drain and --until-end: only one of them; the first closes what is open, the second does not")
    return Finish.DRAIN if drain else Finish.UNTIL_END if until_end else Finish.NEVER

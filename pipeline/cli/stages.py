"""`sensorline window`, `score`, `alert` and `run`: stages as one process.

Each gets ready in the order in which exit codes are checked: configuration, model, broker, topics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import MemoryUrl, parse_url
from pipeline.cli.assemble import TOPICS_OF, build_stage
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import write_line
from pipeline.cli.producing import replay_file
from pipeline.cli.tail import follow
from pipeline.clock import SystemClock
from pipeline.config import Configuration, Settings
from pipeline.errors import ConfigurationError, MissingTopic
from pipeline.process import run_all, stop_on_signals
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.wire.lines import json_line
from producers.replay import ReplayPolicy

Group = Annotated[str | None, typer.Option(metavar="NAME", help="The consumer group, instead of the pipeline's name and the stage's.")]
Drain = Annotated[bool, typer.Option("--drain", help="Stop at what is now the end of the input, and close what is open.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop at what is now the end of the input, and leave open what is open.")]
AnyWindows = Annotated[bool, typer.Option("--any-windows", help="Score although the model was made for other windows.")]


def window(context: typer.Context, group: Group = None, drain: Drain = False, until_end: UntilEnd = False) -> None:
    """Cut the readings of each device into windows, until interrupted."""
    _run(configuration(context), ("window",), Launch(group, _finish(drain, until_end)))


def score(
    context: typer.Context, group: Group = None, drain: Drain = False, until_end: UntilEnd = False, any_windows: AnyWindows = False
) -> None:
    """Score windows with the configured model, until interrupted."""
    _run(configuration(context), ("score",), Launch(group, _finish(drain, until_end), any_windows))


def alert(context: typer.Context, group: Group = None, drain: Drain = False, until_end: UntilEnd = False) -> None:
    """Raise and clear alerts by the configured rules, until interrupted."""
    _run(configuration(context), ("alert",), Launch(group, _finish(drain, until_end)))


def run(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="window, score, alert; without any, all.")] = None,
    replay: Annotated[str | None, typer.Option(metavar="FILE", help="First replay this recording, as fast as possible.")] = None,
    group: Group = None,
    drain: Drain = False,
    until_end: UntilEnd = False,
    any_windows: AnyWindows = False,
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
    _run(chosen, _in_order(names or list(TOPICS_OF)), Launch(group, finish, any_windows, replay, in_memory))


@dataclass(frozen=True)
class Launch:
    """How the stages of one process are run; `in_memory`: nobody else sees the log."""

    group: str | None
    finish: Finish
    any_windows: bool = False
    replay: str | None = None
    in_memory: bool = False


def _run(chosen: Configuration, names: Sequence[str], launch: Launch) -> None:
    settings = chosen.settings
    stages = [build_stage(name, settings, launch.any_windows) for name in names]
    connect = connector(chosen)
    with connected(connect) as broker:
        if launch.in_memory:
            for topic in settings.topics.all():
                broker.create_topic(topic)
        _require_topics(broker, settings, names)
        for stage in stages:
            if stage.keeps_state:
                broker.create_topic(settings.state_topic(launch.group or settings.group(stage.name), stage.source))
    runners = [
        Runner(connect, stage, SessionOptions(launch.group or settings.group(stage.name)), SystemClock(), launch.finish) for stage in stages
    ]
    with stop_on_signals() as stop:
        if launch.replay is not None:
            replay_file(chosen, connect, launch.replay, ReplayPolicy(settings.window.idle_timeout_ms, speed=None), stop)
        run_all(runners, stop)
    if launch.in_memory:
        _print_results(connect, settings)


def _require_topics(broker: Broker, settings: Settings, names: Sequence[str]) -> None:
    there = broker.topics()
    needed = {settings.topics.names()[kind]: None for name in names for kind in TOPICS_OF[name]}
    missing = [topic for topic in needed if topic not in there]
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")


def _print_results(connect: Callable[[], Broker], settings: Settings) -> None:
    for kind in ("predictions", "alerts"):
        topic = settings.topics.names()[kind]
        with connected(connect) as broker:
            for record in follow(broker, topic, from_start=True, until_end=True):
                line = json_line(kind, record, topic)
                if line is not None:
                    write_line(line)


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in TOPICS_OF]
    if unknown:
        raise ConfigurationError(f"there is no stage {unknown[0]!r}; there are {', '.join(TOPICS_OF)}")
    return tuple(name for name in TOPICS_OF if name in names)


def _finish(drain: bool, until_end: bool) -> Finish:
    if drain and until_end:
        raise ConfigurationError("--drain and --until-end: only one of them; the first closes what is open, the second does not")
    return Finish.DRAIN if drain else Finish.UNTIL_END if until_end else Finish.NEVER

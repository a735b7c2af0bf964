"""Getting stages ready and running them: in the order in which exit codes are checked: configuration, model, broker, topics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pipeline.brokers.protocol import Broker, TopicSettings
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic, StateRefused
from pipeline.process import run_all
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.protocol import Accept, Stage

# Stages in the order of the flow, and the topics that each reads and writes, by what they carry.
TOPICS_OF: Mapping[str, tuple[str, ...]] = {
    "window": ("readings", "windows", "rejected"),
    "score": ("windows", "predictions", "rejected"),
    "alert": ("predictions", "alerts", "rejected"),
}


@dataclass(frozen=True)
class Launch:
    """Which stages run in one process, and how."""

    names: Sequence[str]
    group: str | None = None  # instead of the pipeline's name and the stage's
    finish: Finish = Finish.NEVER
    any_windows: bool = False
    accept: Accept = Accept.NOTHING

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in TOPICS_OF]
        if unknown:
            raise ConfigurationError(f"there is no stage {unknown[0]!r}; there are {', '.join(TOPICS_OF)}")

    def group_of(self, stage: Stage, settings: Settings) -> str:
        """The consumer group of one of the stages."""
        return self.group or settings.group(stage.name)


def build_stages(settings: Settings, launch: Launch) -> list[Stage]:
    """The stages, in the order of the flow. Raises `ModelRefused`."""
    return [_build(name, settings, launch.any_windows) for name in TOPICS_OF if name in launch.names]


def require_topics(broker: Broker, settings: Settings, launch: Launch, stages: Sequence[Stage]) -> None:
    """Raises `MissingTopic`; makes the stages' own state topics where they are missing."""
    there = broker.topics()
    needed = {settings.topics.names()[kind]: None for stage in stages for kind in TOPICS_OF[stage.name]}
    missing = [topic for topic in needed if topic not in there]
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")
    for stage in stages:
        if stage.keeps_state:
            _require_state_topic(broker, settings.state_topic(launch.group_of(stage, settings), stage.source), stage, launch.accept)


def _require_state_topic(broker: Broker, wanted: TopicSettings, stage: Stage, accept: Accept) -> None:
    """The state of a partition lies in the partition of the same number: there must be as many as the input has."""
    there = broker.topics()
    needed = there[stage.source].partitions
    if wanted.name not in there:
        broker.create_topic(msgspec.structs.replace(wanted, partitions=needed))
        return
    has = there[wanted.name].partitions
    if has >= needed:
        return
    if Accept.REPARTITION not in accept:
        raise StateRefused(
            f"topic {stage.source} has {needed} partitions now and its state topic {wanted.name} {has}, so devices may have moved to"
            " other partitions; --accept-repartition goes on, and windows open there close when idle"
        )
    broker.grow_topic(wanted.name, needed)


def run_stages(settings: Settings, launch: Launch, stages: Sequence[Stage], connect: Callable[[], Broker], stop: threading.Event) -> None:
    """Runs the stages side by side until `stop` is set or all have finished."""
    clock = SystemClock()
    options = [SessionOptions(launch.group_of(stage, settings), accept=launch.accept) for stage in stages]
    runners = [Runner(connect, stage, option, clock, launch.finish) for stage, option in zip(stages, options, strict=True)]
    if settings.metrics is not None:
        from pipeline.metrics import serve_metrics

        serve_metrics(settings.metrics.port, settings.pipeline.name, runners)
    run_all(runners, stop)


def _build(name: str, settings: Settings, any_windows: bool) -> Stage:
    """Each stage's own libraries are imported when it is built: only scoring starts TensorFlow."""
    match name:
        case "window":
            from consumers.windower import windower

            return windower(settings)
        case "score":
            from consumers.scorer import scorer

            return scorer(settings, any_windows)
        case _:
            from consumers.alerter import alerter

            return alerter(settings)

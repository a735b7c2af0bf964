"""Getting stages ready and running them: in the order in which exit codes are checked: configuration, model, broker, topics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.brokers.protocol import Broker
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic
from pipeline.process import run_all
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.protocol import Stage

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
            broker.create_topic(settings.state_topic(launch.group_of(stage, settings), stage.source))


def run_stages(settings: Settings, launch: Launch, stages: Sequence[Stage], connect: Callable[[], Broker], stop: threading.Event) -> None:
    """Runs the stages side by side until `stop` is set or all have finished."""
    clock = SystemClock()
    runners = [Runner(connect, stage, SessionOptions(launch.group_of(stage, settings)), clock, launch.finish) for stage in stages]
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

"""Getting stages ready and running them: in the order in which exit codes are checked: configuration, model, broker, topics."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import msgspec

from pipeline.brokers.protocol import Broker, TopicSettings
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.delivery import Delivery
from pipeline.errors import ConfigurationError, MissingTopic, ModelRefused, StateRefused
from pipeline.process import run_all
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.protocol import SHADOW, Accept, Modelled, Stage

log = logging.getLogger(__name__)

# Stages in the order of the flow, and the topics that each reads and writes, by what they carry.
TOPICS_OF: Mapping[str, tuple[str, ...]] = {
    "window": ("readings", "windows", "rejected"),
    "score": ("windows", "predictions", "rejected"),
    "alert": ("predictions", "alerts", "rejected"),
    "notify": ("alerts", "rejected"),
}
# The further score and alert stages: where there is a second model, and where a rule needs it.
TOPICS_OF_FURTHER: Mapping[str, tuple[str, ...]] = {
    SHADOW: ("windows",),
    "alert.windows": ("windows", "alerts", "rejected"),
    "alert.clocks": ("rejected", "alerts"),
    "alert.groups": ("alerts",),
}

Work = Stage | Delivery


class Shadow(Enum):
    """What becomes of the second model, where there is a score stage."""

    NONE = "none"
    BESIDE = "beside"  # it scores beside the first; whatever happens to it, the first goes on
    ONLY = "only"  # it scores alone, for a process of its own


@dataclass(frozen=True)
class Launch:
    """Which stages run in one process, and how."""

    names: Sequence[str]
    group: str | None = None  # instead of the pipeline's name and the stage's
    finish: Finish = Finish.NEVER
    any_windows: bool = False
    accept: Accept = Accept.NOTHING
    destinations: Sequence[str] | None = None  # of notify; None: all
    shadow: Shadow = Shadow.NONE

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in TOPICS_OF]
        if unknown:
            raise ConfigurationError(f"there is no stage {unknown[0]!r}; there are {', '.join(TOPICS_OF)}")

    def group_of(self, stage: Work, settings: Settings) -> str:
        """The consumer group of one of the stages; each destination and the second model have one of their own."""
        if self.group is not None and isinstance(stage, Delivery):
            return f"{self.group}.{stage.name}"
        if self.group is not None and stage.name == SHADOW:
            return f"{self.group}.shadow"
        return self.group or settings.group(stage.name)


def build_stages(settings: Settings, launch: Launch) -> list[Work]:
    """The stages, in the order of the flow; that of the second model is last, as nothing waits for it. Raises `ModelRefused`."""
    stages = [stage for name in TOPICS_OF if name in launch.names for stage in _build(name, settings, launch)]
    return [*stages, *_build_shadow(settings, launch)] if "score" in launch.names else stages


def with_left_over(broker: Broker, settings: Settings, launch: Launch, stages: Sequence[Work]) -> list[Work]:
    """The same, and behind the alert stages those that clear what rules have left open that the configuration has no more."""
    if "alert" not in launch.names:
        return list(stages)
    from consumers.alerter import left_over

    place = 1 + max(place for place, stage in enumerate(stages) if stage.name.startswith("alert"))
    return [*stages[:place], *left_over(broker, settings, launch.group), *stages[place:]]


def require_topics(broker: Broker, settings: Settings, launch: Launch, stages: Sequence[Work]) -> None:
    """Raises `MissingTopic`; makes state topics, that between alert stages, and that of a second model, where they are missing."""
    there = broker.topics()
    needed = {settings.topics.names()[kind]: None for stage in stages for kind in _topics_of(stage)}
    missing = [topic for topic in needed if topic not in there]
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")
    if settings.has_group_alerts and any(stage.name.startswith("alert") for stage in stages):
        partitions = there[settings.topics.alerts].partitions
        broker.create_topic(msgspec.structs.replace(settings.topics.members_topic(), partitions=partitions))
    for stage in stages:
        if stage.name == SHADOW:
            broker.create_topic(
                msgspec.structs.replace(settings.topics.shadow_topic(), partitions=there[settings.topics.windows].partitions)
            )
        if not isinstance(stage, Delivery) and stage.keeps_state:
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


def run_stages(settings: Settings, launch: Launch, stages: Sequence[Work], connect: Callable[[], Broker], stop: threading.Event) -> None:
    """Runs the stages side by side until `stop` is set or all have finished."""
    clock = SystemClock()
    options = [SessionOptions(launch.group_of(stage, settings), accept=launch.accept) for stage in stages]
    runners = [Runner(connect, stage, option, clock, launch.finish) for stage, option in zip(stages, options, strict=True)]
    if settings.metrics is not None:
        from pipeline.metrics import serve_metrics

        serve_metrics(settings.metrics.port, settings.pipeline.name, runners)
    with _following_bundles(settings, launch, stages):
        run_all(runners, stop, optional=[runner for runner in runners if runner.stage.name == SHADOW and launch.shadow is Shadow.BESIDE])


@contextmanager
def _following_bundles(settings: Settings, launch: Launch, stages: Sequence[Work]) -> Iterator[None]:
    """A run that has an end keeps the model that it began with."""
    score_stages = [stage for stage in stages if isinstance(stage, Modelled)]
    if not score_stages or settings.model.reload_ms is None or launch.finish is not Finish.NEVER:
        yield
        return
    from consumers.reload import following
    from consumers.scorer import watched

    with following(watched(settings, score_stages, launch.any_windows), settings.model.reload_ms / 1000):
        yield


def _topics_of(stage: Work) -> tuple[str, ...]:
    return TOPICS_OF["notify"] if isinstance(stage, Delivery) else {**TOPICS_OF, **TOPICS_OF_FURTHER}[stage.name]


def _build(name: str, settings: Settings, launch: Launch) -> Sequence[Work]:
    """Each stage's own libraries are imported when it is built: only scoring starts TensorFlow."""
    match name:
        case "window":
            from consumers.windower import windower

            return [windower(settings)]
        case "score":
            from consumers.scorer import scorer

            return [] if launch.shadow is Shadow.ONLY else [scorer(settings, launch.any_windows)]
        case "notify":
            from consumers.notifier import notifier

            return notifier(settings, launch.destinations)
        case _:
            from consumers.alerter import alerter

            return alerter(settings)


def _build_shadow(settings: Settings, launch: Launch) -> Sequence[Work]:
    if launch.shadow is Shadow.NONE:
        return []
    from consumers.scorer import shadow_scorer

    try:
        return [shadow_scorer(settings, launch.any_windows)]
    except ModelRefused as refusal:
        if launch.shadow is Shadow.ONLY:
            raise
        log.error("goes on without the second model: %s", refusal)
        return []

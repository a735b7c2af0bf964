"""Stages from settings. Each stage's own libraries are imported when it is built: only scoring starts TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.stages.protocol import Stage

# Stages in the order of the flow, and the topics that each reads and writes, by what they carry.
TOPICS_OF: Mapping[str, tuple[str, ...]] = {
    "window": ("readings", "windows", "rejected"),
    "score": ("windows", "predictions", "rejected"),
    "alert": ("predictions", "alerts", "rejected"),
}


def window_stage(settings: Settings) -> Stage:
    """The stage that makes windows of readings."""
    from pipeline.stages.window import WindowStage
    from pipeline.stages.window_partition import WindowTopics
    from pipeline.wire.readings import ReadingDecoder

    topics = WindowTopics(settings.topics.readings, settings.topics.windows, settings.topics.rejected)
    decoder = ReadingDecoder(settings.sensors.names, settings.sensors.codes)
    return WindowStage(topics, settings.window.policy(), decoder, settings.window.tick_interval_ms if settings.window.ticks else None)


def score_stage(settings: Settings, any_windows: bool = False) -> Stage:
    """The stage that scores windows. Raises `ModelRefused`."""
    from pipeline.scoring.load import load_scorer
    from pipeline.stages.score import ScoreStage, ScoreTopics

    if settings.model.path is None:
        raise ConfigurationError('model.path: is not set; write [model] path = "models/pump", the folder of a bundle')
    policy, sensors = settings.window.policy(), settings.sensors
    scorer = load_scorer(
        settings.model.path, sensors.names, policy, codes=sensors.codes, engine=settings.model.engine, override=any_windows
    )
    topics = ScoreTopics(settings.topics.windows, settings.topics.predictions, settings.topics.rejected)
    return ScoreStage(topics, scorer, policy, sensors.names)


def alert_stage(settings: Settings) -> Stage:
    """The stage that judges predictions."""
    from pipeline.stages.alert import AlertStage, AlertTopics

    topics = AlertTopics(settings.topics.predictions, settings.topics.alerts, settings.topics.rejected)
    return AlertStage(topics, [rule.rule() for rule in settings.alerts])


def build_stage(name: str, settings: Settings, any_windows: bool = False) -> Stage:
    """The stage of this name."""
    builders: Mapping[str, Callable[[], Stage]] = {
        "window": lambda: window_stage(settings),
        "score": lambda: score_stage(settings, any_windows),
        "alert": lambda: alert_stage(settings),
    }
    return builders[name]()

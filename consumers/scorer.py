"""The scorer: windows to predictions. The only process that loads a model library."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.scoring.load import load_scorer
from pipeline.stages.score import ScoreStage, ScoreTopics


def scorer(settings: Settings, any_windows: bool = False) -> ScoreStage:
    """The stage that scores windows; `any_windows` accepts a model made for other windows. Raises `ModelRefused`."""
    if settings.model.path is None:
        raise ConfigurationError('model.path: is not set; write [model] path = "models/pump", the folder of a bundle')
    policy, sensors = settings.window.policy(), settings.sensors
    loaded = load_scorer(
        settings.model.path, sensors.names, policy, codes=sensors.codes, engine=settings.model.engine, override=any_windows
    )
    topics = ScoreTopics(settings.topics.windows, settings.topics.predictions, settings.topics.rejected)
    return ScoreStage(topics, loaded, policy, sensors.names)

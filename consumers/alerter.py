"""The alerter: predictions to alerts."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.stages.alert import AlertStage, AlertTopics


def alerter(settings: Settings) -> AlertStage:
    """The stage that judges predictions by the configured rules."""
    topics = AlertTopics(settings.topics.predictions, settings.topics.alerts, settings.topics.rejected)
    return AlertStage(topics, [rule.rule() for rule in settings.alerts])

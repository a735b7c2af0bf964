"""The alerter: predictions, windows and refused readings to alerts, by the configured rules."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.stages.alert import AlertStage, AlertTopics, alert_stages


def alerter(settings: Settings) -> list[AlertStage]:
    """The stages that judge by the configured rules: one for each topic that a rule is about."""
    names = settings.topics
    topics = AlertTopics(names.predictions, names.alerts, names.rejected, names.windows, names.readings, names.members)
    return alert_stages(topics, settings.alert_rules(), settings.window.tick_interval_ms if settings.window.ticks else None)

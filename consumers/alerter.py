"""The alerter: predictions, windows and refused readings to alerts, by the configured rules."""

from __future__ import annotations

from pipeline.brokers.protocol import Broker
from pipeline.brokers.reading import read_now
from pipeline.config import Settings
from pipeline.stages.alert import AlertStage, AlertTopics, alert_stages, unneeded_stages


def alerter(settings: Settings) -> list[AlertStage]:
    """The stages that judge by the configured rules: one for each topic that a rule is about."""
    return alert_stages(_topics(settings), settings.alert_rules(), settings.window.tick_interval_ms if settings.window.ticks else None)


def left_over(broker: Broker, settings: Settings, group: str | None = None) -> list[AlertStage]:
    """The stages that no rule needs any more and that have remembered something: their open episodes are to be cleared.

    After that they remember nothing, and once their state is deleted a start is without them.
    """
    stages = unneeded_stages(_topics(settings), alerter(settings))
    return [stage for stage in stages if _remembers(broker, settings.state_topic(group or settings.group(stage.name), stage.source).name)]


def _remembers(broker: Broker, state_topic: str) -> bool:
    if state_topic not in broker.topics():
        return False
    last = {record.key: record.value for record in read_now(broker, state_topic, broker.end_offsets(state_topic))}
    return any(value is not None for value in last.values())


def _topics(settings: Settings) -> AlertTopics:
    names = settings.topics
    return AlertTopics(names.predictions, names.alerts, names.rejected, names.windows, names.readings, names.members)

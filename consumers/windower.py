"""The windower: readings to windows."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder


def windower(settings: Settings) -> WindowStage:
    """The stage that makes windows of readings."""
    topics = WindowTopics(settings.topics.readings, settings.topics.windows, settings.topics.rejected)
    decoder = ReadingDecoder(settings.sensors.names, settings.sensors.codes)
    return WindowStage(topics, settings.window.policy(), decoder, settings.window.tick_interval_ms if settings.window.ticks else None)

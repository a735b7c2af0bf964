"""The ingester: records of any JSON topic to readings."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.errors import ConfigurationError
from pipeline.stages.ingest import IngestStage, IngestTopics
from pipeline.wire.mapping import Mapper
from pipeline.wire.readings import ReadingDecoder


def ingester(settings: Settings) -> IngestStage:
    """The stage that makes readings of the records of `ingest.topic`."""
    if settings.ingest is None:
        raise ConfigurationError('ingest: there is no such section; write [ingest] topic = "factory.raw", whose records are readings')
    decoder = ReadingDecoder(settings.sensors.names, settings.sensors.codes)
    topics = IngestTopics(settings.ingest.topic, settings.topics.readings, settings.topics.rejected)
    return IngestStage(topics, Mapper(settings.ingest.mapping(settings.sensors.names), decoder))

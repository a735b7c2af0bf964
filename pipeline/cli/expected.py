"""What the topics on the broker should be like, for `sensorline topics` and `sensorline check`."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.brokers.protocol import TopicSettings
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic


def expected_topics(settings: Settings, group: str | None = None) -> tuple[TopicSettings, ...]:
    """The topics of the configuration, the state topics of its stages, and those of `group`, if it is given."""
    others = settings.state_topics(group) if group else ()
    return (*settings.own_topics(), *settings.state_topics(), *others)


def require_as_expected(settings: Settings, expected: TopicSettings, found: Mapping[str, TopicSettings]) -> None:
    """Raises `MissingTopic` or `ConfigurationError` where the topic is not there or not as sensorline needs it."""
    actual = found.get(expected.name)
    if actual is None:
        raise MissingTopic("is not there; `sensorline topics create` makes it")
    if actual.partitions != expected.partitions:
        raise ConfigurationError(
            f"has {actual.partitions} partitions, not topics.partitions = {expected.partitions}: "
            "change the setting, or delete the topic and create it again"
        )
    if actual.compacted != expected.compacted:
        policy = "compact" if expected.compacted else "delete"
        raise ConfigurationError(f"has another cleanup policy than {policy}: delete the topic and create it again")
    is_readings = expected.name == settings.topics.readings
    if not is_readings and actual.max_message_bytes < expected.max_message_bytes:
        raise ConfigurationError(
            f"takes records of {actual.max_message_bytes} bytes, and {expected.max_message_bytes} are needed:"
            f" set max.message.bytes={expected.max_message_bytes} on the topic, or delete it and create it again"
        )
    if is_readings and not actual.log_append_time and not settings.window.allow_create_time:
        raise ConfigurationError(
            "is stamped by its clients: set message.timestamp.type=LogAppendTime on the topic, or window.allow_create_time = true"
        )

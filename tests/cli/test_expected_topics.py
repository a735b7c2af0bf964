"""Which topics are as sensorline needs them."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.cli.expected import expected_topics, require_as_expected
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic

STRICT = Settings.model_validate({"sensors": {"names": ["a"]}})
LENIENT = Settings.model_validate({"sensors": {"names": ["a"]}, "window": {"allow_create_time": True}})
READINGS, WINDOWS, *_ = expected_topics(STRICT)


def test_a_topic_made_as_it_is_expected_is_right() -> None:
    for topic in expected_topics(STRICT, group="mine"):
        require_as_expected(STRICT, topic, {topic.name: topic})


def test_readings_stamped_by_their_clients_are_refused_unless_allowed() -> None:
    by_clients = msgspec.structs.replace(READINGS, log_append_time=False)
    require_as_expected(LENIENT, READINGS, {READINGS.name: by_clients})
    with pytest.raises(ConfigurationError, match="allow_create_time"):
        require_as_expected(STRICT, READINGS, {READINGS.name: by_clients})


def test_other_topics_may_be_stamped_by_their_clients() -> None:
    require_as_expected(STRICT, WINDOWS, {WINDOWS.name: msgspec.structs.replace(WINDOWS, log_append_time=False)})


def test_a_topic_that_is_not_there_is_missing() -> None:
    with pytest.raises(MissingTopic, match="sensorline topics create"):
        require_as_expected(STRICT, READINGS, {})


def test_a_state_topic_that_forgets_is_refused() -> None:
    state = STRICT.state_topic("g", "t")
    with pytest.raises(ConfigurationError, match="compact"):
        require_as_expected(STRICT, state, {state.name: msgspec.structs.replace(state, compacted=False)})


def test_what_is_written_must_fit_its_topic() -> None:
    small = msgspec.structs.replace(WINDOWS, max_message_bytes=100_000)
    with pytest.raises(ConfigurationError, match=r"max\.message\.bytes=1048576"):
        require_as_expected(STRICT, WINDOWS, {WINDOWS.name: small})
    require_as_expected(STRICT, READINGS, {READINGS.name: msgspec.structs.replace(READINGS, max_message_bytes=100_000)})

"""The sections of the live feeds: what they mean, and what is wrong with them, said by key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.config import Configuration, load
from pipeline.errors import ConfigurationError
from pipeline.wire.mapping import FieldMapping
from pipeline.wire.moments import TimeFormat

Load = Callable[..., Configuration]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads sections after those that every configuration needs."""

    def load_it(text: str, environ: Mapping[str, str] | None = None) -> Configuration:
        file = tmp_path / "sensorline.toml"
        file.write_text(f'[sensors]\nnames = ["temperature", "vibration"]\n{text}')
        return load(file, environ or {})

    return load_it


def test_without_a_section_a_feed_is_not_configured(load_text: Load) -> None:
    settings = load_text("").settings
    assert (settings.mqtt, settings.http, settings.ingest) == (None, None, None)


def test_every_key_of_the_fields_reaches_the_mapping(load_text: Load) -> None:
    text = """[ingest]
    topic = "raw"
    device_field = "machine.id"
    time_field = "ts"
    time_format = "%Y-%m-%d %H:%M"
    time_zone = "Europe/Berlin"
    sensor_field = "tag"
    value_field = "v"
    [ingest.sensors]
    temperature = "data.temp"
    """
    ingest = load_text(text).settings.ingest
    assert ingest is not None
    assert ingest.mapping(("temperature", "vibration")) == FieldMapping(
        {"temperature": "data.temp", "vibration": "vibration"},
        device_field="machine.id",
        time_field="ts",
        time_format=TimeFormat("%Y-%m-%d %H:%M", "Europe/Berlin"),
        sensor_field="tag",
        value_field="v",
    )


def test_the_environment_counts_more_than_the_file(load_text: Load) -> None:
    environ = {
        "SENSORLINE_MQTT__TOPICS": "a/{device}, b/{device}/{sensor}",
        "SENSORLINE_MQTT__PASSWORD": "123",
        "SENSORLINE_MQTT__QOS": "0",
        "SENSORLINE_MQTT__KEEPALIVE": "10s",
        "SENSORLINE_INGEST__SENSORS": '{"temperature": "t"}',
    }
    loaded = load_text('[mqtt]\ntopics = ["x/{device}"]\nusername = "u"\n[ingest]\ntopic = "raw"', environ)
    mqtt, ingest = loaded.settings.mqtt, loaded.settings.ingest
    assert mqtt is not None
    assert ingest is not None
    assert mqtt.topics == ("a/{device}", "b/{device}/{sensor}")
    assert (mqtt.qos, mqtt.keepalive_ms, ingest.sensors) == (0, 10_000, {"temperature": "t"})
    assert mqtt.password is not None
    assert mqtt.password.get_secret_value() == "123"
    assert "123" not in " ".join(setting.value for setting in loaded.effective())


WRONG = {
    "no topics": ("[mqtt]\nqos = 1", "mqtt.topics: is missing; write [mqtt] topics = "),
    "an empty list of topics": ("[mqtt]\ntopics = []", "must have at least one"),
    "a topic that is no pattern": ('[mqtt]\ntopics = ["a/#/{device}"]', "mqtt.topics = "),
    "a topic without a device": ('[mqtt]\ntopics = ["a/{sensor}"]', "set mqtt.device_field or mqtt.device"),
    "exactly once": ('[mqtt]\ntopics = ["a/{device}"]\nqos = 2', "a reading that comes twice changes nothing"),
    "a certificate without TLS": ('[mqtt]\ntopics = ["a/{device}"]\nssl_cafile = "ca.pem"', "has no effect without tls = true"),
    "a password without a user": ('[mqtt]\ntopics = ["a/{device}"]\npassword = "x"', "needs a username"),
    "an unknown key": ('[mqtt]\ntopics = ["a/{device}"]\nqoss = 1', 'did you mean "qos"?'),
    "two devices": ('[ingest]\ntopic = "raw"\ndevice = "a"\ndevice_field = "b"', "only one of them"),
    "no format": ('[ingest]\ntopic = "raw"\ntime_format = "minutes"', "ingest.time_format"),
    "no zone": ('[ingest]\ntopic = "raw"\ntime_zone = "Europe/Atlantis"', "must be the name of a time zone"),
    "a sensor that is not configured": ('[ingest]\ntopic = "raw"\nsensors = { speed = "v" }', "ingest.sensors.speed"),
    "two sensors in one field": ('[ingest]\ntopic = "raw"\nsensors = { temperature = "v", vibration = "v" }', "must be different fields"),
    "its own topic": ('[ingest]\ntopic = "sensor.readings"', "is one of the pipeline's own topics"),
    "no topic": ("[ingest]", "ingest.topic: is missing"),
    "open to all": ('[http]\nhost = "0.0.0.0"', "http.keys_file"),
    "half of TLS": ('[http]\nssl_certfile = "a.pem"', "and ssl_keyfile go together"),
    "no bound": ("[http]\nmax_in_flight = 0", "must be at least 1"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(load_text: Load, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text(text)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1

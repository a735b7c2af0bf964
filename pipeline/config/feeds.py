"""The sections `[mqtt]`, `[http]` and `[ingest]`: where live readings come from, and where their parts are found."""

from __future__ import annotations

import ipaddress
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.config.fields import Bool, Duration, FilePath, Int, Name, OptionalDuration, Section, key_problem, problem
from pipeline.wire.mapping import FieldMapping
from pipeline.wire.moments import TimeFormat, find_zone
from pipeline.wire.topic_pattern import TopicPattern


class FieldsSettings(Section):
    """Where in a JSON object the parts of a reading are; fields may be nested, as "a.b"."""

    device_field: str | None = Field(
        default=None, min_length=1, description="Where the device is, as a field or a path such as `machine.id`."
    )
    device: str | None = Field(default=None, min_length=1, description="The device, where all readings are of one.")
    time_field: str | None = Field(
        default=None, min_length=1, description="Where the time is; without it the time of receipt counts, and for a record its timestamp."
    )
    time_format: str = Field(default="ms", description="`s`, `ms`, `us`, `ns` since the epoch, `rfc3339`, or such as `%d.%m.%Y %H:%M`.")
    time_zone: str | None = Field(default=None, description="The zone of times without one, such as `Europe/Berlin`.")
    sensor_field: str | None = Field(default=None, min_length=1, description="Of objects with one value: where the sensor's name is.")
    value_field: str = Field(default="value", min_length=1, description="Of objects with one value: where the value is.")
    sensors: dict[str, str] = Field(default_factory=dict, description="Where a sensor's value is; others are in the field of their name.")

    def mapping(self, names: tuple[str, ...]) -> FieldMapping:
        """The mapping for the configured sensors."""
        return FieldMapping(
            sensors={name: self.sensors.get(name, name) for name in names},
            device_field=self.device_field,
            device=self.device,
            time_field=self.time_field,
            time_format=TimeFormat(self.time_format, self.time_zone),
            sensor_field=self.sensor_field,
            value_field=self.value_field,
        )

    def unknown_sensors(self, names: tuple[str, ...]) -> list[str]:
        """Keys of `sensors` that are not configured."""
        return sorted(self.sensors.keys() - set(names))

    @model_validator(mode="after")
    def _is_a_mapping(self) -> Self:
        if self.device is not None and self.device_field is not None:
            raise key_problem("device", "and device_field: only one of them says which device it is")
        try:
            TimeFormat(self.time_format)
        except ValueError as error:
            raise key_problem("time_format", str(error)) from None
        try:
            find_zone(self.time_zone or "UTC")
        except ValueError as error:
            raise key_problem("time_zone", str(error)) from None
        fields = [self.sensors.get(name, name) for name in self.sensors]
        if len(set(fields)) < len(fields):
            raise key_problem("sensors", "must be different fields")
        return self


class MqttSettings(FieldsSettings):
    """An MQTT broker whose messages become readings."""

    host: str = Field(default="localhost", min_length=1, description="The MQTT broker's host.")
    port: Int = Field(default=1883, ge=1, le=65_535, description="Its port; 8883 is usual with TLS.")
    topics: tuple[str, ...] = Field(description="What to subscribe to, such as `plant/{device}/{sensor}`; `+` is any level, `#` the rest.")
    qos: Int = Field(default=1, ge=0, le=1, description="`1`: no message is lost; `0`: those that come while the bridge is down are.")
    version: Literal["3.1.1", "5"] = Field(default="5", description="The version of MQTT.")
    client_id: Name | None = Field(default=None, description="Each bridge needs its own; without it the pipeline's name and `.mqtt`.")
    username: str | None = Field(default=None, description="The user who logs in.")
    password: SecretStr | None = Field(default=None, description="The user's password; better in the environment.")
    tls: Bool = Field(default=False, description="Whether the connection is encrypted.")
    ssl_cafile: FilePath | None = Field(default=None, description="Certificates (PEM) to trust; without it those of the system.")
    ssl_certfile: FilePath | None = Field(default=None, description="The bridge's own certificate (PEM), where the broker asks for one.")
    ssl_keyfile: FilePath | None = Field(default=None, description="The key of that certificate (PEM).")
    keepalive_ms: Duration = Field(default=30_000, alias="keepalive", description="How often a silent connection is tried.")
    session_expiry_ms: OptionalDuration = Field(
        default=86_400_000, alias="session_expiry", description="How long the MQTT broker keeps messages for a bridge that is down."
    )
    max_in_flight: Int = Field(
        default=1_000, ge=1, le=65_535, description="Messages that the MQTT broker sends before the log has the first."
    )
    retained: Bool = Field(default=False, description="Also take retained messages, which may be old.")

    def patterns(self) -> tuple[TopicPattern, ...]:
        """The topics as patterns."""
        return tuple(TopicPattern(topic) for topic in self.topics)

    @field_validator("qos", mode="before")
    @classmethod
    def _is_not_exactly_once(cls, qos: object) -> object:
        if qos == 2:
            raise problem(
                "must be 0 or 1; messages published with QoS 2 are received with QoS 1: a reading that comes twice changes nothing,"
                " and to receive it exactly once a client would have to acknowledge it before the log has it"
            )
        return qos

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.topics:
            raise key_problem("topics", 'must have at least one, such as "plant/{device}/{sensor}"')
        for topic in self.topics:
            try:
                pattern = TopicPattern(topic)
            except ValueError as error:
                raise key_problem("topics", str(error)) from None
            if not pattern.names_device and self.device is None and self.device_field is None:
                raise key_problem("topics", f'{topic!r} has no "{{device}}": write it, or set mqtt.device_field or mqtt.device')
        for key in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            if getattr(self, key) is not None and not self.tls:
                raise key_problem(key, "has no effect without tls = true")
        if not 1_000 <= self.keepalive_ms <= 65_535_000:
            raise key_problem("keepalive", 'must be from "1s" to "65535s"')
        if self.password is not None and self.username is None:
            raise key_problem("password", "needs a username")
        return self


class HttpSettings(Section):
    """Where readings are taken by HTTP."""

    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen on.")
    port: Int = Field(default=8080, ge=1, le=65_535, description="The port to listen on.")
    keys_file: FilePath | None = Field(default=None, description="The keys that may send, one a line; needed where others reach the host.")
    ssl_certfile: FilePath | None = Field(default=None, description="The certificate (PEM) to serve HTTPS with.")
    ssl_keyfile: FilePath | None = Field(default=None, description="The key of that certificate (PEM).")
    max_request_bytes: Int = Field(default=1_048_576, ge=1_024, le=67_108_864, description="Bytes of a request, at most.")
    receive_within_ms: Duration = Field(
        default=30_000, alias="receive_within", description="How long a request may take to come; then its connection is closed."
    )
    max_in_flight: Int = Field(default=20_000, ge=1, le=1_000_000, description="Records that the log has not acknowledged, at most.")
    acknowledge_within_ms: Duration = Field(
        default=10_000, alias="acknowledge_within", description="How long a request waits for the log before it is answered with 503."
    )

    @model_validator(mode="after")
    def _is_not_open_to_all(self) -> Self:
        if self.keys_file is None and not _is_loopback(self.host):
            raise key_problem("keys_file", f"is needed for host {self.host}, which others can reach; without keys only 127.0.0.1 is served")
        if (self.ssl_certfile is None) != (self.ssl_keyfile is None):
            raise key_problem("ssl_certfile", "and ssl_keyfile go together")
        for key in ("acknowledge_within", "receive_within"):
            if getattr(self, f"{key}_ms") < 1:
                raise key_problem(key, "must be at least 1 ms")
        return self


class IngestSettings(FieldsSettings):
    """A topic of other people's JSON whose records become readings; without a device of its own a record's key is the device."""

    topic: Name = Field(description="The topic with their records.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

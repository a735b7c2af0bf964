"""The sections of the configuration file without much logic; `[window]` and `[[alerts]]` have modules of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from pipeline.brokers.protocol import TopicSettings
from pipeline.config.fields import Bool, FilePath, Int, IntOrAuto, Name, OptionalDuration, PositiveOrNone, Section, key_problem
from pipeline.core.keyed_state import state_topic

MAX_MESSAGE_BYTES = 1_048_576
# A rejected record is the original with headers that say why: it must fit where the original just fitted.
REJECTED_MESSAGE_BYTES = MAX_MESSAGE_BYTES + 65_536
# All that is open of one device is one record: steps not yet final, and each of its open windows with steps of its own.
STATE_MESSAGE_BYTES = 16 * MAX_MESSAGE_BYTES


class PipelineSettings(Section):
    """What groups, state topics and metrics of this pipeline are called."""

    name: Name = Field(default="sensorline", description="Begins the names of consumer groups and state topics, and labels metrics.")


class KafkaSettings(Section):
    """How to connect to Kafka; the keys are called as in Kafka's own documentation."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Whether connections are encrypted (`SSL`), and whether a user logs in (`SASL`)."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(default=None, description="How the user logs in.")
    sasl_username: str | None = Field(default=None, description="The user who logs in.")
    sasl_password: SecretStr | None = Field(default=None, description="The user's password; better in the environment.")
    ssl_cafile: FilePath | None = Field(default=None, description="Certificates (PEM) to trust; without it those of the system.")
    ssl_certfile: FilePath | None = Field(default=None, description="The client's own certificate (PEM), where brokers ask for one.")
    ssl_keyfile: FilePath | None = Field(default=None, description="The key of that certificate (PEM).")
    ssl_password: SecretStr | None = Field(default=None, description="The password of that key.")
    ssl_check_hostname: Bool = Field(default=True, description="Whether a broker's certificate must be for its host's name.")
    session_timeout_ms: Int = Field(
        default=10_000, ge=1_000, description="How long (ms) a process may be silent before its partitions go to others of its group."
    )
    heartbeat_interval_ms: Int = Field(
        default=3_000, ge=1, description="How often (ms) a process says that it lives; at most a third of `session_timeout_ms`."
    )
    delivery_timeout_ms: Int = Field(
        default=120_000, ge=1_000, description="How long (ms) a message may wait for its acknowledgement before the stage begins anew."
    )

    def options(self) -> dict[str, Any]:
        """Names and plain values, secrets too: never to be shown."""
        return {name: _plain(value) for name, value in self}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise key_problem("heartbeat_interval_ms", f"must be at most a third of session_timeout_ms ({self.session_timeout_ms})")
        for key in ("sasl_mechanism", "sasl_username", "sasl_password"):
            if self.security_protocol.startswith("SASL") and getattr(self, key) is None:
                raise key_problem(key, f"is needed for security_protocol {self.security_protocol}")
        return self


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
    return value


class BrokerSettings(Section):
    """Where the log is."""

    url: str = Field(  # what it may be is known to `pipeline.brokers.url`
        default="sqlite:///sensorline.db",
        description="`kafka://host:port[,host:port...]`, `sqlite:///file.db` (one file, several processes) or `memory://`.",
    )
    kafka: KafkaSettings = KafkaSettings()


class TopicsSettings(Section):
    """The names of the topics and what they have in common."""

    readings: Name = Field(default="sensor.readings", description="What devices report.")
    windows: Name = Field(default="sensor.windows", description="The windows of each device.")
    predictions: Name = Field(default="sensor.predictions", description="The scores of windows.")
    alerts: Name = Field(default="sensor.alerts", description="Alerts that were raised or cleared.")
    rejected: Name = Field(default="sensor.rejected", description="What was refused, as it came, with the reason.")
    partitions: Int = Field(default=4, ge=1, le=10_000, description="Of each topic: the most processes of a stage that have work.")
    retention_ms: OptionalDuration = Field(default=604_800_000, alias="retention", description="How long records are kept at least.")

    def names(self) -> dict[str, str]:
        """The topics by what they carry: `{"readings": "sensor.readings", ...}`."""
        return {kind: getattr(self, kind) for kind in ("readings", "windows", "predictions", "alerts", "rejected")}

    def all(self) -> tuple[TopicSettings, ...]:
        """The topics with the settings they should have, in the order of the flow.

        All are stamped by the broker, so that no client's clock can move arrival or retention.
        """
        return tuple(self._topic(kind, name) for kind, name in self.names().items())

    @property
    def members(self) -> str:
        """The topic of the alerts of groups' devices, under the group as key; between alert stages only."""
        return f"{self.alerts}.members"

    def members_topic(self) -> TopicSettings:
        """That topic with the settings it should have."""
        return self._topic("members", self.members)

    @property
    def shadow(self) -> str:
        """The topic of the predictions of a second model."""
        return f"{self.predictions}.shadow"

    def shadow_topic(self) -> TopicSettings:
        """That topic with the settings it should have."""
        return self._topic("shadow", self.shadow)

    def state(self, group: str, topic: str) -> TopicSettings:
        """The compacted topic in which `group` keeps its state about the partitions of `topic`."""
        return TopicSettings(state_topic(group, topic), self.partitions, compacted=True, max_message_bytes=STATE_MESSAGE_BYTES)

    def _topic(self, kind: str, name: str) -> TopicSettings:
        limit = REJECTED_MESSAGE_BYTES if kind == "rejected" else MAX_MESSAGE_BYTES
        return TopicSettings(name, self.partitions, self.retention_ms, max_message_bytes=limit)

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        kinds: dict[str, str] = {}
        for kind, name in self.names().items():
            if name in kinds:
                raise key_problem(kind, f"is the name of topics.{kinds[name]} too; each topic needs its own")
            kinds[name] = kind
        if self.retention_ms == 0:
            raise key_problem("retention", 'must be at least 1 ms, or "none" to keep records for ever')
        return self


class SensorsSettings(Section):
    """The sensors in the order of the features, their units, and the texts that coded sensors report."""

    names: tuple[str, ...] = Field(description="The sensors, in the order of a window's columns.")
    units: dict[str, str] = Field(default_factory=dict, description="The unit of a sensor, shown with its values.")
    codes: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="The texts that a sensor reports, which are codes 1, 2, ..."
    )

    @model_validator(mode="after")
    def _are_different(self) -> Self:
        if not self.names:
            raise key_problem("names", "must have at least one sensor")
        if "" in self.names or len(set(self.names)) < len(self.names):
            raise key_problem("names", "must be different texts, none of them empty")
        for table, sensor in [("units", sensor) for sensor in self.units] + [("codes", sensor) for sensor in self.codes]:
            if sensor not in self.names:
                raise key_problem(f"{table}.{sensor}", "is not in sensors.names")
        for sensor, texts in self.codes.items():
            if not texts or len(set(texts)) < len(texts):
                raise key_problem(f"codes.{sensor}", "must be different texts, at least one")
        return self


class ModelSettings(Section):
    """The bundle to score with."""

    path: FilePath | None = Field(default=None, description="The folder of the bundle.")  # no default: a wrong model is worse than none
    engine: Literal["auto", "onnx", "keras"] = Field(default="auto", description="What scores; `auto`: ONNX Runtime where it can.")
    batch_size: IntOrAuto = Field(default=None, description="Windows scored together, at most; `auto`: by a short trial at the start.")
    step_outputs: bool = Field(default=False, description="Also publish what the model says of each step, such as attention weights.")
    reload_ms: OptionalDuration = Field(default=10_000, alias="reload", description="How often to look for another bundle at the path.")
    shadow: FilePath | None = Field(default=None, description="A second bundle that scores the same windows, to its own topic.")
    drift_alert: PositiveOrNone = Field(default=0.25, description="The population stability index above which something has drifted.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.reload_ms == 0:
            raise key_problem("reload", 'must be at least 1 ms, or "none" to keep the model that the scorer began with')
        if self.shadow is not None and self.shadow == self.path:
            raise key_problem("shadow", "is model.path too; a second model is another bundle")
        return self


class MetricsSettings(Section):
    """Where the metrics are served; without this section there is no port."""

    port: Int = Field(default=9464, ge=1, le=65_535, description="The port of each process; one that is busy is a warning only.")

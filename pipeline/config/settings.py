"""`Settings`: the whole configuration as one immutable, validated value, and what follows from several sections."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.brokers.protocol import TopicSettings
from pipeline.config.alerts import AlertSettings
from pipeline.config.destinations import DestinationSettings
from pipeline.config.feeds import FieldsSettings, HttpSettings, IngestSettings, MqttSettings
from pipeline.config.fields import Section, key_problem
from pipeline.config.sections import (
    MAX_MESSAGE_BYTES,
    STATE_MESSAGE_BYTES,
    BrokerSettings,
    MetricsSettings,
    ModelSettings,
    PipelineSettings,
    SensorsSettings,
    TopicsSettings,
)
from pipeline.config.window import WindowSettings
from pipeline.core.alert_conditions import AlertSource
from pipeline.core.alert_rules import Rule
from pipeline.core.episode import open_bytes

# For a window's fields other than its steps: ids, the device's and the sensors' names, the source.
WINDOW_HEADROOM_BYTES = 16_384
# For a device's name in key and value, the writer's name, and what the log itself adds.
STATE_HEADROOM_BYTES = 16_384


class Settings(Section):
    """Every setting of a pipeline; attributes carry their units."""

    pipeline: PipelineSettings = PipelineSettings()
    broker: BrokerSettings = BrokerSettings()
    topics: TopicsSettings = TopicsSettings()
    sensors: SensorsSettings
    window: WindowSettings = WindowSettings()
    model: ModelSettings = ModelSettings()
    alerts: tuple[AlertSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    groups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Devices that have alerts together, by names or patterns such as `pump-*`."
    )
    metrics: MetricsSettings | None = None
    mqtt: MqttSettings | None = None
    http: HttpSettings | None = None
    ingest: IngestSettings | None = None

    def group(self, stage: str) -> str:
        """The consumer group of a stage, unless `--group` names another."""
        return f"{self.pipeline.name}.{stage}"

    def state_topic(self, group: str, topic: str) -> TopicSettings:
        """The compacted topic in which `group` keeps its state about the partitions of `topic`."""
        return self.topics.state(group, topic)

    def state_topics(self, group: str | None = None) -> tuple[TopicSettings, ...]:
        """The state topics of the stages that keep state; `group` stands for the group of each of them."""
        inputs = {"window": self.topics.readings, "alert": self.topics.predictions}
        sources = {rule.source for rule in self.alert_rules()}
        inputs |= {"alert.windows": self.topics.windows} if AlertSource.WINDOWS in sources else {}
        inputs |= {"alert.clocks": self.topics.rejected} if AlertSource.REJECTED in sources else {}
        inputs |= {"alert.groups": self.topics.members} if self.has_group_alerts else {}
        return tuple(self.state_topic(group or self.group(stage), topic) for stage, topic in inputs.items())

    def alert_rules(self) -> tuple[Rule, ...]:
        """The rules of `[[alerts]]`, with the devices of their groups."""
        return tuple(rule.rule(self.groups) for rule in self.alerts)

    @property
    def has_group_alerts(self) -> bool:
        """Whether a rule counts the devices of groups; then the members topic is needed."""
        return any(rule.groups for rule in self.alerts)

    def own_topics(self) -> tuple[TopicSettings, ...]:
        """The topics of the flow, that of the groups' devices where rules need it, that of a second model where there is one."""
        members = (self.topics.members_topic(),) if self.has_group_alerts else ()
        return (*self.topics.all(), *members, *((self.topics.shadow_topic(),) if self.model.shadow is not None else ()))

    @model_validator(mode="after")
    def _windows_fit_their_topic(self) -> Self:
        step_bytes = 8 + 4 * len(self.sensors.names)
        most = (MAX_MESSAGE_BYTES - WINDOW_HEADROOM_BYTES - sum(len(name.encode()) + 5 for name in self.sensors.names)) // step_bytes
        if self.window.max_length > most:
            allowed = f"must be at most {most}: a step of {len(self.sensors.names)} sensors takes {step_bytes} bytes of a message of 1 MiB"
            raise key_problem("window.max_length", allowed)
        return self

    @model_validator(mode="after")
    def _devices_fit_their_state_topic(self) -> Self:
        window, sensors = self.window, len(self.sensors.names)
        if open_bytes(window.policy(), sensors) + STATE_HEADROOM_BYTES > STATE_MESSAGE_BYTES:
            in_windows = window.policy().open_windows * window.max_length
            key = "max_pending" if window.max_pending > in_windows else "max_length"
            allowed = (
                f"is too much: max_pending and open windows of max_length are up to {window.max_pending + in_windows} steps of {sensors}"
                " sensors, and what is open of a device must fit into a message of 16 MiB"
            )
            raise key_problem(f"window.{key}", allowed)
        return self

    @model_validator(mode="after")
    def _rules_and_destinations_have_different_names(self) -> Self:
        for section, what, named in (("alerts", "rule", self.alerts), ("destinations", "destination", self.destinations)):
            names = [one.name for one in named]
            for place, name in enumerate(names):
                if name in names[:place]:
                    raise key_problem(f"{section}.{place}.name", f"is the name of another {what} too; each {what} needs its own")
        return self

    @model_validator(mode="after")
    def _rules_name_what_is_there(self) -> Self:
        for place, rule in enumerate(self.alerts):
            unknown = [name for name in rule.groups if name not in self.groups]
            if unknown:
                raise key_problem(f"alerts.{place}.groups", f'there is no group "{unknown[0]}" in [groups]')
            if rule.sensor is not None and rule.sensor not in self.sensors.names:
                raise key_problem(f"alerts.{place}.sensor", "is not in sensors.names")
        return self

    @model_validator(mode="after")
    def _feeds_fit_the_rest(self) -> Self:
        feeds: dict[str, FieldsSettings | None] = {"mqtt": self.mqtt, "ingest": self.ingest}
        for section, feed in feeds.items():
            unknown = feed.unknown_sensors(self.sensors.names) if feed is not None else []
            if unknown:
                raise key_problem(f"{section}.sensors.{unknown[0]}", "is not in sensors.names")
        if self.ingest is not None and self.ingest.topic in self.topics.names().values():
            raise key_problem("ingest.topic", "is one of the pipeline's own topics; name the one with the foreign records")
        return self

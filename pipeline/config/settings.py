"""`Settings`: the whole configuration as one immutable, validated value, and what follows from several sections."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from pipeline.brokers.protocol import TopicSettings
from pipeline.config.alerts import AlertSettings
from pipeline.config.fields import Section, key_problem
from pipeline.config.sections import (
    MAX_MESSAGE_BYTES,
    BrokerSettings,
    MetricsSettings,
    ModelSettings,
    PipelineSettings,
    SensorsSettings,
    TopicsSettings,
)
from pipeline.config.window import WindowSettings

# For a window's fields other than its steps: ids, the device's and the sensors' names, the source.
WINDOW_HEADROOM_BYTES = 16_384


class Settings(Section):
    """Every setting of a pipeline; attributes carry their units."""

    pipeline: PipelineSettings = PipelineSettings()
    broker: BrokerSettings = BrokerSettings()
    topics: TopicsSettings = TopicsSettings()
    sensors: SensorsSettings
    window: WindowSettings = WindowSettings()
    model: ModelSettings = ModelSettings()
    alerts: tuple[AlertSettings, ...] = ()
    metrics: MetricsSettings | None = None

    def group(self, stage: str) -> str:
        """The consumer group of a stage, unless `--group` names another."""
        return f"{self.pipeline.name}.{stage}"

    def state_topic(self, group: str, topic: str) -> TopicSettings:
        """The compacted topic in which `group` keeps its state about the partitions of `topic`."""
        return self.topics.state(group, topic)

    def state_topics(self, group: str | None = None) -> tuple[TopicSettings, ...]:
        """The state topics of the stages that keep state; `group` stands for the group of each of them."""
        window = self.state_topic(group or self.group("window"), self.topics.readings)
        alert = self.state_topic(group or self.group("alert"), self.topics.predictions)
        return window, alert

    @model_validator(mode="after")
    def _windows_fit_their_topic(self) -> Self:
        step_bytes = 8 + 4 * len(self.sensors.names)
        most = (MAX_MESSAGE_BYTES - WINDOW_HEADROOM_BYTES - sum(len(name.encode()) + 5 for name in self.sensors.names)) // step_bytes
        if self.window.max_length > most:
            allowed = f"must be at most {most}: a step of {len(self.sensors.names)} sensors takes {step_bytes} bytes of a message of 1 MiB"
            raise key_problem("window.max_length", allowed)
        return self

    @model_validator(mode="after")
    def _rules_have_different_names(self) -> Self:
        names = [rule.name for rule in self.alerts]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise key_problem(f"alerts.{place}.name", "is the name of another rule too; each rule needs its own")
        return self

"""Examples of alert rules: what is on the log, and which alerts come of it. A notation for people to read.

    outputs: "80 fan:19"    one window a minute of each device, "d" unless named, with this output of the model
    read: "1@1 pump:2=5@4"  readings, as in the transcripts of windows
    alerts: ["d wear raised"]

Played by the real stages, one record at a time, on one partition of each topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.brokers.protocol import Message, Record
from pipeline.config import Settings
from pipeline.stages.alert import AlertStage, AlertTopics, alert_stages
from pipeline.stages.protocol import Handover
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import encode_prediction
from tests.support.alert_rules import prediction_of
from tests.support.transcripts import TOPICS, parse_records, window_stage

ALERT_TOPICS = AlertTopics("predictions", "alerts", TOPICS.rejected, TOPICS.windows, TOPICS.readings, "members")


@dataclass(frozen=True)
class Example:
    """One case: the configuration, and events of (what is on the log, the alerts that come of it)."""

    name: str
    configuration: dict[str, Any]
    events: tuple[Mapping[str, Any], ...]

    @property
    def settings(self) -> Settings:
        """Its configuration, validated."""
        return Settings.model_validate(self.configuration)

    def expected(self) -> list[list[str]]:
        """The alerts of each event."""
        return [list(event.get("alerts", ())) for event in self.events]


def parse_examples(text: str, configuration: Mapping[str, Any]) -> list[Example]:
    """The cases of a YAML text under a configuration; a case may have sensors and window keys of its own."""
    examples = []
    for case in yaml.safe_load(text):
        sensors = {"names": case.get("sensors", ["a"])}
        window = {"gap": "10s", **configuration.get("window", {}), **case.get("window", {})}
        examples.append(Example(case["name"], {**configuration, "sensors": sensors, "window": window}, tuple(case["log"])))
    return examples


class Played:
    """The stages of an example, and how far they have come."""

    def __init__(self, example: Example) -> None:
        settings = example.settings
        rules = settings.alert_rules()
        self._sensors = settings.sensors.names
        self._output = next((rule.output for rule in settings.alerts if rule.output is not None), "rul")
        self._windows = window_stage(example.configuration["window"], self._sensors)
        self._stages: Sequence[AlertStage] = alert_stages(ALERT_TOPICS, rules, tick_interval_ms=1000)
        for stage in self._stages:
            stage.assign(Handover(0, 0, writer="first"))
        self._offsets: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def alerts(self, event: Mapping[str, Any]) -> list[str]:
        """What an event raises and clears."""
        shown: list[str] = []
        for token in str(event.get("outputs", "")).split():
            device, _, output = token.rpartition(":")
            shown += self._predict(device or "d", float(output))
        for record in parse_records(event.get("read", ""), self._sensors):
            shown += self._read(record)
        return shown

    def _predict(self, device: str, output: float) -> list[str]:
        prediction = prediction_of(device, self._numbers[device], output, self._output)
        self._numbers[device] += 1
        return self._publish(Message("predictions", device.encode(), encode_prediction(prediction)), 0)

    def _read(self, record: Record) -> list[str]:
        moved = Record(record.topic, 0, self._offset(record.topic), record.timestamp, record.key, record.value, record.headers)
        shown = [line for message in self._windows.step([moved], 0) for line in self._publish(message, record.timestamp)]
        for stage in self._stages:
            # Its session would ask its topic for the time by now.
            tick = stage.tick(0) if record.value is None else None
            shown += self._publish(tick, record.timestamp) if tick is not None else []
        return shown

    def _publish(self, message: Message, timestamp: int) -> list[str]:
        """What comes of a message, through all stages that read its topic."""
        if message.topic == "alerts":
            alert = decode_alert(message.value or b"")
            return [f"{alert.device} {alert.rule} {alert.state}"]
        record = Record(message.topic, 0, self._offset(message.topic), timestamp, message.key, message.value, message.headers)
        made = [made for stage in self._stages if stage.source == message.topic for made in stage.step([record], 0)]
        return [line for each in made for line in self._publish(each, timestamp)]

    def _offset(self, topic: str) -> int:
        self._offsets[topic] += 1
        return self._offsets[topic] - 1


def play_example(example: Example) -> list[list[str]]:
    """The alerts of each event."""
    played = Played(example)
    return [played.alerts(event) for event in example.events]

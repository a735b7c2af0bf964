"""A configured pipeline for whole-flow tests: its folder, its topics on some log, and the processes started for it."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pipeline.brokers.protocol import Broker, Headers, Message, Record
from pipeline.brokers.reading import read_now
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from pipeline.config import Settings, load
from pipeline.records import Alert, Prediction, Reading, Window
from pipeline.wire.alerts import decode_alert
from pipeline.wire.headers import is_tick
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import encode_reading
from pipeline.wire.windows import decode_window
from tests.support.broker_logs import publish, unique_name
from tests.support.commands import Done, Running, command_line, environment, running

PATIENCE_S = 60


@dataclass(frozen=True)
class Pipeline:
    """`sections` is the configuration but for names, broker and topics, which are the pipeline's own."""

    folder: Path
    url: str
    sections: str
    processes: ExitStack
    name: str
    readings: str  # topic
    partitions: int = 3

    def create(self) -> None:
        """Writes the configuration and creates the topics."""
        self.folder.mkdir(exist_ok=True)
        outputs = "".join(f'{kind} = "{self.name}.{kind}"\n' for kind in ("windows", "predictions", "alerts", "rejected"))
        (self.folder / "sensorline.toml").write_text(
            f'[pipeline]\nname = "{self.name}"\n'
            f'[broker]\nurl = "{self.url}"\n'
            "[broker.kafka]\nsession_timeout_ms = 6000\nheartbeat_interval_ms = 1000\n"
            f'[topics]\nreadings = "{self.readings}"\n{outputs}partitions = {self.partitions}\n{self.sections}'
        )
        self.succeeds("topics", "create")

    def beside(self) -> Pipeline:
        """Another pipeline on the same readings, with groups and outputs of its own."""
        name = unique_name("beside")
        other = replace(self, folder=self.folder / name, name=name)
        other.create()
        return other

    @cached_property
    def settings(self) -> Settings:
        """The configuration as it is loaded."""
        return load(self.folder / "sensorline.toml", {}).settings

    def run(self, *arguments: str, within_s: float = PATIENCE_S, **settings: str) -> Done:
        """Runs one command to its end."""
        return subprocess.run(
            command_line(*arguments),
            cwd=self.folder,
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    def succeeds(self, *arguments: str, **settings: str) -> Done:
        """Runs one command, which must end well."""
        done = self.run(*arguments, within_s=2 * PATIENCE_S, **settings)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def start(self, *arguments: str, **settings: str) -> Running:
        """Starts a command that goes on; it is killed at the end of the test if it still runs."""
        return self.processes.enter_context(running(self.folder, *arguments, **settings))

    @cached_property
    def broker(self) -> Broker:
        """The test's own connection."""
        url = parse_url(self.url, self.folder)
        opened = open_broker(url, SystemClock(), kafka=self.settings.broker.kafka.options())
        self.processes.callback(opened.close)
        return opened

    def publish(self, *readings: Reading, headers: Headers = ()) -> None:
        """Publishes readings as live ones; returns when the log has them."""
        publish(self.broker, *[Message(self.readings, reading.device.encode(), encode_reading(reading), headers) for reading in readings])

    def count(self, kind: str) -> int:
        """Number of records ever published to one of the pipeline's topics, ticks too."""
        return sum(self.broker.end_offsets(self._topic(kind)).values())

    def records(self, kind: str) -> list[Record]:
        """The records of a topic now, without ticks."""
        topic = self._topic(kind)
        found = read_now(self.broker, topic, self.broker.end_offsets(topic))
        return [record for record in found if not is_tick(record)]

    def windows(self) -> list[Window]:
        """All windows now, those that were published twice too."""
        return [decode_window(record.value or b"") for record in self.records("windows")]

    def predictions(self) -> list[Prediction]:
        """All predictions now."""
        return [decode_prediction(record.value or b"") for record in self.records("predictions")]

    def alerts(self) -> list[Alert]:
        """All alerts now."""
        return [decode_alert(record.value or b"") for record in self.records("alerts")]

    def _topic(self, kind: str) -> str:
        return self.settings.topics.names()[kind]


def new_pipeline(folder: Path, url: str, sections: str, processes: ExitStack) -> Pipeline:
    """A pipeline with topics of its own; `sqlite:///` is completed to a log in `folder`."""
    name = unique_name("pipeline")
    if url == "sqlite:///":
        url = f"sqlite:///{folder / 'log.db'}"
    pipeline = Pipeline(folder, url, sections, processes, name, f"{name}.readings")
    pipeline.create()
    return pipeline

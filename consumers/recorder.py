"""The recorder: topics to part files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.brokers.protocol import Broker
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, MissingTopic
from pipeline.process import run_all
from pipeline.recordings.columns import RESERVED
from pipeline.recordings.parts import topic_folder
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.protocol import Accept
from pipeline.stages.record import RecordStage
from pipeline.stages.record_partition import Content


@dataclass(frozen=True)
class Recording:
    """What is recorded, where, and how long a file is filled: so long, or until so many bytes of rows are in memory."""

    kinds: Sequence[str]  # "readings", "windows", ...
    out: Path
    every_ms: int = 60_000
    file_bytes: int = 64_000_000
    group: str | None = None  # instead of `<pipeline>.record`; each topic's own is `<group>.<kind>`
    finish: Finish = Finish.NEVER
    accept: Accept = Accept.NOTHING


def record(settings: Settings, recording: Recording, connect: Callable[[], Broker], stop: threading.Event) -> list[Runner]:
    """Records until `stop` is set or the end is reached; the runners know what was counted.

    Raises `MissingTopic`; `ConfigurationError` for a kind that there is none of, or a sensor named like a column.
    """
    stages = [_stage(settings, kind, recording.out) for kind in recording.kinds]
    broker = connect()
    try:
        missing = [stage.source for stage in stages if stage.source not in broker.topics()]
    finally:
        broker.close()
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")
    group = recording.group or settings.group("record")
    options = [
        SessionOptions(f"{group}.{kind}", recording.every_ms, accept=recording.accept, checkpoint_bytes=recording.file_bytes)
        for kind in recording.kinds
    ]
    clock = SystemClock()
    runners = [Runner(connect, stage, option, clock, recording.finish) for stage, option in zip(stages, options, strict=True)]
    if settings.metrics is not None:
        from pipeline.metrics import serve_metrics

        serve_metrics(settings.metrics.port, settings.pipeline.name, runners)
    run_all(runners, stop)
    return runners


def _stage(settings: Settings, kind: str, out: Path) -> RecordStage:
    names = settings.topics.names()
    if kind not in names:
        raise ConfigurationError(f"there is no topic {kind!r} to record; there are {', '.join(names)}")
    sensors = settings.sensors
    taken = [name for name in sensors.names if name in RESERVED]
    if taken:
        raise ConfigurationError(f"sensors.names: {taken[0]!r} is the name of a column of a recording; name the sensor otherwise")
    return RecordStage(names[kind], Content(kind, sensors.names, sensors.codes), topic_folder(out, names[kind]))

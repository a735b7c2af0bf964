"""The real stages on a recording, in memory: replay, window, score and, where there are rules, alert."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from consumers.launch import Launch, build_stages, require_topics, run_stages
from pipeline.backtest.outcome import Outcome
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.records import Alert, Prediction, Reading, Window
from pipeline.runner import Finish
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay


@dataclass(frozen=True)
class Run:
    """What the stages left on their topics, in memory; read from the first record on, as often as wanted."""

    settings: Settings
    broker: Broker

    def windows(self) -> Iterator[Window]:
        """All publications of all windows."""
        return map(decode_window, _values(self.broker, self.settings.topics.windows))

    def predictions(self) -> Iterator[Prediction]:
        """All predictions."""
        return map(decode_prediction, _values(self.broker, self.settings.topics.predictions))

    def alerts(self) -> Iterator[Alert]:
        """All alerts; none without rules."""
        return map(decode_alert, _values(self.broker, self.settings.topics.alerts))


def run_on_recording(
    settings: Settings,
    readings: Iterable[Reading],
    bundle: Path | None = None,
    any_windows: bool = False,
    stop: threading.Event | None = None,
) -> Outcome:
    """What the configured pipeline makes of readings in replay order, with this bundle instead of the configured one.

    All of it is in memory: about a kilobyte for each reading. Raises `ModelRefused` before anything is replayed.
    """
    run = run_stages_on(settings, readings, bundle, any_windows, stop)
    alerts = list(run.alerts()) if settings.alerts else None
    return Outcome(str(run.settings.model.path), list(run.predictions()), alerts)


def run_stages_on(
    settings: Settings,
    readings: Iterable[Reading],
    bundle: Path | None = None,
    any_windows: bool = False,
    stop: threading.Event | None = None,
) -> Run:
    """As `run_on_recording`; all that is on the topics then."""
    model = settings.model.model_copy(update={"path": bundle or settings.model.path})
    settings = settings.model_copy(update={"model": model, "metrics": None})
    names = ("window", "score", "alert") if settings.alerts else ("window", "score")
    launch = Launch(names, finish=Finish.UNTIL_END, any_windows=any_windows)
    stages = build_stages(settings, launch)
    clock = SystemClock()
    log, stop = MemoryLog(clock), stop or threading.Event()
    broker = MemoryBroker(log)
    for topic in settings.own_topics():
        broker.create_topic(topic)
    require_topics(broker, settings, launch, stages)
    replay(broker, settings.topics.readings, readings, ReplayPolicy(settings.window.idle_timeout_ms, speed=None), Pacer(clock, stop))
    run_stages(settings, launch, stages, lambda: MemoryBroker(log), stop)
    return Run(settings, broker)


def _values(broker: Broker, topic: str) -> Iterator[bytes]:
    for record in read_now(broker, topic, broker.end_offsets(topic).keys()):
        if record.value is not None:
            yield record.value

"""The real stages on a recording, in memory: replay, window, score and, where there are rules, alert.

The stages follow the replay, and what all of them have read is taken out of the log: so memory is that of open windows, whatever
the length of the recording.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import msgspec

from consumers.launch import Launch, build_stages, require_topics
from pipeline.backtest.outcome import Outcome
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.delivery import Delivery
from pipeline.records import Alert, ModelIdentity, Prediction, Reading
from pipeline.session import Session, SessionOptions
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay

Sinks = Mapping[str, Callable[[bytes], None]]
"""By topic: who is given the values of its records, in the order of each partition. All other records are dropped."""


def run_on_recording(
    settings: Settings,
    readings: Iterable[Reading],
    bundle: Path | None = None,
    any_windows: bool = False,
    stop: threading.Event | None = None,
) -> Outcome:
    """What the configured pipeline makes of readings in replay order, with this bundle instead of the configured one.

    Memory: about a kilobyte for each prediction. Raises `ModelRefused` before anything is replayed.
    """
    settings = with_bundle(settings, bundle)
    predictions: list[Prediction] = []
    alerts: list[Alert] = []
    models: dict[ModelIdentity, ModelIdentity] = {}

    def keep(data: bytes) -> None:
        prediction = decode_prediction(data)
        # All name the same model, which need not be in memory with each of them.
        model = models.setdefault(prediction.model, prediction.model)
        predictions.append(msgspec.structs.replace(prediction, model=model))

    names = settings.topics
    run_stages_on(
        settings, readings, {names.predictions: keep, names.alerts: lambda data: alerts.append(decode_alert(data))}, any_windows, stop
    )
    return Outcome(str(settings.model.path), predictions, alerts if settings.alerts else None)


def with_bundle(settings: Settings, bundle: Path | None) -> Settings:
    """The settings with this bundle instead of the configured one."""
    return settings if bundle is None else settings.model_copy(update={"model": settings.model.model_copy(update={"path": bundle})})


def run_stages_on(
    settings: Settings, readings: Iterable[Reading], sinks: Sinks, any_windows: bool = False, stop: threading.Event | None = None
) -> None:
    """Gives the sinks what the configured pipeline makes of readings in replay order, until the end or until `stop` is set.

    Raises `ModelRefused` before anything is replayed.
    """
    launch = Launch(("window", "score", "alert") if settings.alerts else ("window", "score"), any_windows=any_windows)
    stages = [stage for stage in build_stages(settings, launch) if not isinstance(stage, Delivery)]
    clock = SystemClock()
    log, stop = MemoryLog(clock), stop or threading.Event()
    broker = MemoryBroker(log)
    for topic in settings.own_topics():
        broker.create_topic(topic)
    require_topics(broker, settings, launch, stages)
    with ExitStack() as opened:
        sessions = [
            opened.enter_context(closing(Session(MemoryBroker(log), stage, SessionOptions(launch.group_of(stage, settings)), clock)))
            for stage in stages
        ]
        follow = partial(_follow, log, [(stage.source, session) for stage, session in zip(stages, sessions, strict=True)], sinks)
        policy = ReplayPolicy(settings.window.idle_timeout_ms, speed=None)
        # Told after each flush, the last one of which is that of the closing ticks.
        replay(broker, settings.topics.readings, readings, policy, Pacer(clock, stop), lambda _readings, _time: follow())


def _follow(log: MemoryLog, stages: Sequence[tuple[str, Session]], sinks: Sinks) -> None:
    """Lets all stages catch up with the log, in the order of the flow, and empties it.

    A turn of the first stage at a time: what it makes of its records may be many times as large as they are.
    """
    (source, first), *others = stages
    while not first.reached(log.ends(source)):
        first.turn(timeout_s=0)
        for topic, session in others:
            while not session.reached(log.ends(topic)):
                session.turn(timeout_s=0)
        _empty(log, sinks, but={source})
    _empty(log, sinks)
    for name, settings in log.settings().items():
        if settings.compacted:
            log.compact(name)


def _empty(log: MemoryLog, sinks: Sinks, but: frozenset[str] | set[str] = frozenset()) -> None:
    for name, settings in log.settings().items():
        if settings.compacted or name in but:
            continue
        sink = sinks.get(name)
        for record in log.take(name):
            if sink is not None and record.value is not None:
                sink(record.value)

"""Trying alert rules on a recording: the real stages on a log in memory, and the episodes that come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from consumers.launch import Launch, build_stages, require_topics, run_stages
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Broker
from pipeline.brokers.reading import read_now
from pipeline.cli.context import connected
from pipeline.cli.replaying import replay_file
from pipeline.clock import SystemClock
from pipeline.config import Configuration, Settings
from pipeline.core.alert_conditions import AlertSource
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from pipeline.recordings.selection import Selection
from pipeline.records import Alert, AlertState
from pipeline.runner import Finish
from pipeline.wire.alerts import decode_alert
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy


@dataclass(frozen=True)
class Episode:
    """An alert from raise to clear; times in ms, `cleared` None: still raised at the end."""

    raised: Alert
    cleared: int | None = None


@dataclass(frozen=True)
class Trial:
    """What would have fired, in the order of the raises, and the span of the windows' arrivals, in ms."""

    episodes: tuple[Episode, ...]
    span: tuple[int, int]


def try_rules(chosen: Configuration, recording: Path, bundle: Path | None = None) -> Trial:
    """Plays the recording through the stages that the rules need. No broker and no destination of the configuration is used.

    Raises `ConfigurationError` where there is no rule, or no model for rules about outputs; `ModelRefused`;
    `KeyboardInterrupt` where it is stopped.
    """
    settings = _on_trial(chosen.settings, bundle)
    scored = any(rule.source is AlertSource.PREDICTIONS for rule in settings.alert_rules())
    launch = Launch(("window", "score", "alert") if scored else ("window", "alert"), finish=Finish.DRAIN)
    stages = build_stages(settings, launch)
    clock = SystemClock()
    log = MemoryLog(clock)

    def connect() -> Broker:
        return MemoryBroker(log)

    with connected(connect) as broker:
        for topic in settings.own_topics():
            broker.create_topic(topic)
        require_topics(broker, settings, launch, stages)
    # Without the tick that closes all windows: at the end of the recording no device is silent, it is over.
    policy = ReplayPolicy(settings.window.idle_timeout_ms, speed=None, close=False)
    with stop_on_signals() as stop:
        replay_file(replace(chosen, settings=settings), connect, (recording, Selection(), None), policy, Pacer(clock, stop))
        run_stages(settings, launch, stages, connect, stop)
        if stop.is_set():
            raise KeyboardInterrupt
    return _outcome(connect, settings)


def episodes_of(alerts: Iterable[Alert]) -> tuple[Episode, ...]:
    """Raised and cleared records joined by their id, in the order of the raises."""
    found: dict[str, Episode] = {}
    for alert in alerts:
        if alert.state is AlertState.RAISED:
            found.setdefault(alert.id, Episode(alert))
        elif alert.id in found:
            found[alert.id] = replace(found[alert.id], cleared=alert.time)
    return tuple(sorted(found.values(), key=lambda episode: (episode.raised.since, episode.raised.device, episode.raised.rule)))


def _on_trial(settings: Settings, bundle: Path | None) -> Settings:
    if not settings.alerts:
        raise ConfigurationError("alerts: there are no rules to test; write [[alerts]]")
    model = settings.model if bundle is None else settings.model.model_copy(update={"path": bundle})
    needing = [rule.name for rule in settings.alert_rules() if rule.source is AlertSource.PREDICTIONS]
    if needing and model.path is None:
        raise ConfigurationError(f"rule {needing[0]} is about an output of a model: name the model with --bundle, or in model.path")
    # One partition: devices that have an alert together are counted in the order of time, as in a live stream.
    topics = settings.topics.model_copy(update={"partitions": 1})
    return settings.model_copy(update={"model": model, "metrics": None, "topics": topics})


def _outcome(connect: Callable[[], Broker], settings: Settings) -> Trial:
    topics = settings.topics
    with connected(connect) as broker:
        alerts = [decode_alert(record.value or b"") for record in read_now(broker, topics.alerts, broker.end_offsets(topics.alerts))]
        windows = [decode_window(record.value or b"") for record in read_now(broker, topics.windows, broker.end_offsets(topics.windows))]
    first = [window.source.first_arrival for window in windows] + [alert.since for alert in alerts]
    last = [window.source.last_arrival for window in windows] + [alert.time for alert in alerts]
    return Trial(episodes_of(alerts), (min(first, default=0), max(last, default=0)))

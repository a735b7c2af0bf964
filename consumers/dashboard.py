"""The dashboard: all topics to a live page."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pipeline.brokers.protocol import Broker
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.dashboard.access import Access
from pipeline.dashboard.fleet import FleetModel
from pipeline.dashboard.live import LiveModel
from pipeline.dashboard.page import About, App, Page, make_app
from pipeline.dashboard.reader import Back, LogReader
from pipeline.dashboard.views import Limit
from pipeline.wire.readings import ReadingDecoder


def dashboard(
    settings: Settings, connect: Callable[[], Broker], back: Back, access: Access, stop: threading.Event
) -> tuple[App, LogReader]:
    """The page's application, whose streams end when `stop` is set, and what follows the log for it."""
    clock, sensors, topics = SystemClock(), settings.sensors, settings.topics.names()
    limits = tuple(_limits(settings))
    model = LiveModel(topics, ReadingDecoder(sensors.names, sensors.codes), FleetModel(sensors.names, limits))
    reader = LogReader(connect, topics, model.take, back, clock)
    about = About(
        settings.pipeline.name, sensors.names, sensors.units, settings.window.idle_timeout_ms, limits, kind_of(settings.broker.url)
    )
    return make_app(Page(about, model, reader, clock, access), stop), reader


def _limits(settings: Settings) -> list[Limit]:
    """Where the rules about an output begin to hold; rules of other kinds have none to draw."""
    limits = []
    for rule in settings.alerts:
        if rule.output is not None and rule.kind == "threshold":
            limits.append(Limit(rule.output, rule.above, rule.below))
        elif rule.output is not None and rule.outside is not None:
            limits.append(Limit(rule.output, below=rule.outside[0], above=rule.outside[1]))
    return limits


def kind_of(url: str) -> str:
    """Kafka or SQLite: a URL may name hosts that are nobody's business."""
    return url.partition(":")[0]

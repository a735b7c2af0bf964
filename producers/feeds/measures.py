"""The counts of a live feed as Prometheus metrics, named and labelled as those of the stages."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

LABELS = ("pipeline", "stage")
REJECTED = "rejected_"


class Measured(Protocol):
    """A feed, asked from another thread."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Running totals by name; `rejected_<reason>` are one metric."""
        ...

    @property
    def waiting(self) -> int:
        """Messages that the log has not acknowledged."""
        ...


class FeedCollector(Collector):
    """Asks the feed for its counts when Prometheus asks for them."""

    def __init__(self, pipeline: str, name: str, feed: Measured) -> None:
        self._labels = (pipeline, name)
        self._feed = feed

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("sensorline_unacknowledged", "Messages that the log has not acknowledged yet.", labels=LABELS)
        waiting.add_metric(self._labels, self._feed.waiting)
        yield waiting
        rejected = CounterMetricFamily("sensorline_rejected", "Messages sent to the rejected topic.", labels=(*LABELS, "reason"))
        for name, count in sorted(self._feed.counts.items()):
            if name.startswith(REJECTED):
                rejected.add_metric((*self._labels, name.removeprefix(REJECTED)), count)
                continue
            family = CounterMetricFamily(f"sensorline_{name}", f"Running total: {name.replace('_', ' ')}.", labels=LABELS)
            family.add_metric(self._labels, count)
            yield family
        yield rejected


def serve_measures(port: int, pipeline: str, name: str, feed: Measured) -> None:
    """Serves them at http://localhost:port/metrics from a thread of its own. A busy port is a warning, never an exit."""
    registry = CollectorRegistry()
    registry.register(FeedCollector(pipeline, name, feed))
    ProcessCollector(registry=registry)
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        log.warning("metrics.port = %d: %s; going on without metrics", port, error.strerror)

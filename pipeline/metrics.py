"""The counts of the runners of this process as Prometheus metrics, served on a port."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.runner import Runner

log = logging.getLogger(__name__)

GAUGES = {"live_devices": "Devices that something is remembered of.", "open_steps": "Steps in windows that are still open."}


class RunnerCollector(Collector):
    """Asks the runners for their counts when Prometheus asks for them."""

    def __init__(self, pipeline: str, runners: Sequence[Runner]) -> None:
        self._pipeline = pipeline
        self._runners = tuple(runners)

    def collect(self) -> Iterable[Metric]:
        names = sorted({name for runner in self._runners for name in runner.counts})
        for name in names:
            family = _family(name)
            for runner in self._runners:
                if name in runner.counts:
                    family.add_metric([self._pipeline, runner.stage.name], runner.counts[name])
            yield family


def serve_metrics(port: int, pipeline: str, runners: Sequence[Runner]) -> None:
    """Serves them at http://localhost:port/metrics from a thread of its own. A busy port is a warning, never an exit."""
    registry = CollectorRegistry()
    registry.register(RunnerCollector(pipeline, runners))
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        log.warning("metrics.port = %d: %s; going on without metrics", port, error.strerror)


def _family(name: str) -> CounterMetricFamily | GaugeMetricFamily:
    labels = ["pipeline", "stage"]
    if name in GAUGES:
        return GaugeMetricFamily(f"sensorline_{name}", GAUGES[name], labels=labels)
    return CounterMetricFamily(f"sensorline_{name}", f"Running total: {name.replace('_', ' ')}.", labels=labels)

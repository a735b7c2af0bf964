"""A running process asked for its metrics and its health, as Prometheus and a load balancer do."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.support.commands import Running, eventually
from tests.support.kafka_server import free_ports
from tests.support.pipelines import Pipeline

Samples = dict[tuple[str, str], float]  # by name and stage (and reason or status, after a slash)


@dataclass
class Served:
    """A running process and the address of its metrics."""

    pipeline: Pipeline
    process: Running
    url: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of an answer; (0, "") where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def shows(self, sample: str) -> bool:
        """Whether this line is among the metrics now."""
        return sample in self.get("/metrics")[1]

    def samples(self) -> Samples:
        """All metrics now."""
        found = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                label = sample.labels.get("reason") or sample.labels.get("status")
                found[sample.name, sample.labels.get("stage", "") + (f"/{label}" if label else "")] = sample.value
        return found

    def await_sample(self, name: str, stage: str, value: float, within_s: float) -> None:
        """Returns when a metric has this value."""
        eventually(lambda: self.samples().get((name, stage)) == value, within_s, lambda: (self.get("/metrics")[1], self.process.said))

    def await_ready(self, within_s: float) -> None:
        """Returns when it says that it is ready."""
        eventually(lambda: self.get("/readyz")[0] == 200, within_s, lambda: (self.get("/readyz"), self.process.said))


def serving(pipeline: Pipeline, start: Callable[..., Running]) -> Served:
    """What `start` starts, told to serve its metrics on a free port."""
    port = free_ports(1)[0]
    return Served(pipeline, start(metrics__port=str(port)), f"http://127.0.0.1:{port}")

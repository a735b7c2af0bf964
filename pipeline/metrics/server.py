"""`/metrics`, `/healthz` and `/readyz` on one port, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.registry import Collector

from pipeline.clock import Clock, SystemClock
from pipeline.metrics.collector import RunnerCollector
from pipeline.metrics.health import Checks, Verdict, alive, ready
from pipeline.runner import Runner

log = logging.getLogger(__name__)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve_metrics(port: int, pipeline: str, runners: Sequence[Runner], clock: Clock | None = None) -> None:
    """Serves those of a process of stages, until it ends."""
    clock = clock or SystemClock()
    serve_process(port, RunnerCollector(pipeline, runners), Checks(partial(alive, runners, clock), partial(ready, runners, clock)))


def serve_process(port: int, collector: Collector, checks: Checks) -> None:
    """Serves those of any process, until it ends. A busy port is a warning, never an exit."""
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    try:
        server = make_server("", port, make_app(make_wsgi_app(registry), checks), _Server, _Handler)
    except OSError as error:
        log.warning("metrics.port = %d: %s; going on without metrics", port, error.strerror)
        return
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def make_app(metrics: Wsgi, checks: Checks) -> Wsgi:
    """200 where it is well, 503 where it is not, with a line for each part."""
    asked = {"/healthz": checks.alive, "/readyz": checks.ready}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in asked:
            return _answer(asked[path](), start_response)
        if path in ("/metrics", "/"):
            return metrics(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"there are /metrics, /healthz and /readyz\n"]

    return app


def _answer(verdict: Verdict, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK" if verdict.good else "503 Service Unavailable", [("Content-Type", "text/plain; charset=utf-8")])
    return ["".join(f"{line}\n" for line in verdict.said).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 30  # whoever connects and says nothing is let go

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's name
        """Nothing: a line for each scrape helps nobody."""

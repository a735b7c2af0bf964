"""What a process tells about itself: metrics for Prometheus, and whether it is alive and ready."""

from pipeline.metrics.collector import Counted, CountsCollector, RunnerCollector
from pipeline.metrics.health import Checks, Verdict
from pipeline.metrics.server import serve_metrics, serve_process

__all__ = ["Checks", "Counted", "CountsCollector", "RunnerCollector", "Verdict", "serve_metrics", "serve_process"]

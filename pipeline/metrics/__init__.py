"""What a process of stages tells about itself: metrics for Prometheus, and whether it is alive and ready."""

from pipeline.metrics.collector import RunnerCollector
from pipeline.metrics.server import serve_metrics

__all__ = ["RunnerCollector", "serve_metrics"]

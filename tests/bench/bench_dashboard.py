"""What the live page costs with a thousand devices that report once a second: CPU, memory, and what a visitor is sent.

`python -m tests.bench dashboard [--seconds 600]`; on Kafka where SENSORLINE_TEST_KAFKA names one (host:port), else on the embedded
log. Readings, windows, scores and alerts are made live by real processes; a visitor's stream is open all the time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.support.commands import Running
from tests.support.live_fleet import SECTIONS, cpu_s, make_bundle, peak_mb, reporting, start_dashboard, start_stages
from tests.support.pipelines import new_pipeline

DEVICES = 1_000
SECONDS = 30.0
PATIENCE_S = 30.0


@dataclass
class Sent:
    """What a visitor was sent."""

    seconds: float = 0.0
    events: int = 0
    rows: int = 0  # devices that had changed
    sent_bytes: int = 0
    cores: float = 0.0


def visit(url: str, dashboard: Running, seconds: float) -> Sent:
    """Reads the stream of updates for so long."""
    sent = Sent()
    with httpx.stream("GET", f"{url}events", timeout=PATIENCE_S, trust_env=False) as answer:
        begun_s, used_s = time.monotonic(), cpu_s(dashboard)
        for line in answer.iter_lines():
            if line:
                sent.events += 1
                sent.rows += len(json.loads(line.removeprefix("data: "))["fleet"]["rows"])
                sent.sent_bytes += len(line)
            sent.seconds = time.monotonic() - begun_s
            if sent.seconds >= seconds:
                break
        sent.cores = (cpu_s(dashboard) - used_s) / sent.seconds
    return sent


def main(arguments: Sequence[str] = ()) -> None:
    """Prints a table."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    parser = argparse.ArgumentParser(prog="python -m tests.bench dashboard")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    seconds = parser.parse_args(arguments).seconds
    kafka = os.environ.get("SENSORLINE_TEST_KAFKA")
    with TemporaryDirectory() as folder, ExitStack() as processes:
        pipeline = new_pipeline(Path(folder), f"kafka://{kafka}" if kafka else "sqlite:///", SECTIONS, processes)
        make_bundle(pipeline)
        start_stages(pipeline)
        dashboard, url = start_dashboard(pipeline)
        with reporting(pipeline, DEVICES):
            sent = visit(url, dashboard, seconds)
            memory_mb = peak_mb(dashboard)
        records = sum(pipeline.count(kind) for kind in pipeline.settings.topics.names())
    rows = {
        "records on the topics": f"{records / sent.seconds:,.0f} a second",
        "CPU of the dashboard": f"{100 * sent.cores:.0f} % of a core",
        "peak memory": f"{memory_mb:.0f} MB",
        "updates to a visitor": f"{sent.events / sent.seconds:.1f} a second, {sent.sent_bytes / sent.seconds / 1000:,.0f} kB a second",
        "devices in them": f"{sent.rows / sent.seconds:,.0f} a second",
    }
    sys.stdout.write(f"the live page, {'Kafka' if kafka else 'SQLite'}, {DEVICES:,} devices, {sent.seconds:.0f} s\n")
    for name, value in rows.items():
        sys.stdout.write(f"{name:<24} | {value}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

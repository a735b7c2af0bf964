"""How many records of 200 bytes a second each broker publishes and consumes; not a test.

`python tests/bench/bench_brokers.py`; with Kafka where SENSORLINE_TEST_KAFKA names one (host:port). Figures per second of
CPU time say more on a machine that does other work as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.brokers.protocol import Broker, Message, TopicSettings
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock

RECORDS = 100_000
FLUSH_EVERY = 2_000
VALUE = b'{"device":"device-0001","time":1767225600123,"values":{"temperature":71.3}}'.ljust(200)
IDLE_S = 2.0


@contextmanager
def measured(row: dict[str, str], what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    row[what] = f"{RECORDS / wall_s:>9,.0f} ({RECORDS / cpu_s:,.0f})"


def publish(broker: Broker, topic: str) -> None:
    publisher = broker.publisher()
    for number in range(RECORDS):
        publisher.send(Message(topic, b"device-%04d" % (number % 1000), VALUE))
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            publisher.flush()
    publisher.flush()


def consume(broker: Broker, topic: str) -> None:
    consumer = broker.consumer(topic, None)
    seen = 0
    while seen < RECORDS:
        seen += len(consumer.poll(1.0).records)


def flush_one(broker: Broker, topic: str) -> float:
    """Median milliseconds until one record is acknowledged."""
    publisher = broker.publisher()
    taken = []
    for _ in range(100):
        begin = time.perf_counter()
        publisher.send(Message(topic, b"device", VALUE))
        publisher.flush()
        taken.append(time.perf_counter() - begin)
    return sorted(taken)[50] * 1000


def idle_cpu(broker: Broker, topic: str) -> float:
    """Percent of one core that a consumer takes while it waits."""
    consumer = broker.consumer(topic, "idle")
    consumer.poll(1.0)  # the assignment
    cpu = time.process_time()
    consumer.poll(IDLE_S)
    return (time.process_time() - cpu) / IDLE_S * 100


def bench(url: str, connect: Callable[[], Broker]) -> dict[str, str]:
    row = {"broker": url.partition(":")[0]}
    topic, quiet = f"bench-{time.time_ns()}", f"quiet-{time.time_ns()}"
    with closing(connect()) as broker:
        broker.create_topic(TopicSettings(topic, 4))
        broker.create_topic(TopicSettings(quiet, 4))
        with measured(row, "publish"):
            publish(broker, topic)
        with measured(row, "consume"):
            consume(broker, topic)
        row["one flush"] = f"{flush_one(broker, topic):.1f} ms"
        row["idle CPU"] = f"{idle_cpu(broker, quiet):.1f} %" if not url.startswith("kafka:") else "-"
        broker.delete_topic(topic)
        broker.delete_topic(quiet)
    return row


def main() -> None:
    clock = SystemClock()
    with TemporaryDirectory(dir=Path.cwd()) as folder:
        urls = ["memory://", "sqlite:///bench.db"]
        if kafka := os.environ.get("SENSORLINE_TEST_KAFKA"):
            urls.append(f"kafka://{kafka}")
        rows = [bench(url, partial(open_broker, parse_url(url, Path(folder)), clock)) for url in urls]
    sys.stdout.write(f"{RECORDS:,} records of {len(VALUE)} bytes; records/s (per second of CPU time)\n")
    for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]:
        sys.stdout.write(" | ".join(f"{cell:<22}" for cell in row.values()) + "\n")


if __name__ == "__main__":
    main()

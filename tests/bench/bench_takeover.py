"""What recovery costs on a real Kafka: checkpoints while the windower works, and going on after it was killed.

Run it by hand: `python -m tests.bench takeover`. 10,000 live devices with 40 open steps of 8 sensors each, in four partitions.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.brokers.protocol import Message
from pipeline.brokers.reading import read_now
from tests.bench.many_devices import CONFIGURATION, DEVICES, SENSORS, STEPS, Bench, read_through
from tests.support.commands import Running, eventually, running
from tests.support.kafka_jars import kafka_jars
from tests.support.kafka_server import KafkaServer

BACKLOG_STEPS = 160
CHECKPOINTS = 1_000
TOUCHED = 10  # devices, by each of them
NEVER_MS = 10**9
DEFAULT_MS = 5_000
TURNS = 2
LIMIT_S = 120
ROOT = Path(__file__).parents[2]
ASSIGNED = re.compile(r"^(\S+) INFO .* partition (\d+) assigned at .* restored in (\d+) ms", re.MULTILINE)

Row = tuple[str, str]


class Pass(msgspec.Struct):
    """A backlog that was read through."""

    readings: float
    wall_s: float
    cpu_s: float
    checkpoints: float
    checkpoints_s: float


def slowdown(bench: Bench) -> list[Row]:
    """The same backlog of single readings without and with checkpoints, in turn; on average 40 steps of each device are open."""
    bench.publish(bench.reading(device, step) for step in range(BACKLOG_STEPS) for device in range(DEVICES))
    measured: dict[int, list[Pass]] = {NEVER_MS: [], DEFAULT_MS: []}
    for turn in range(2 * TURNS):
        interval_ms = (NEVER_MS, DEFAULT_MS)[turn % 2]
        command = [sys.executable, "-m", "tests.bench.bench_takeover", str(bench.folder), f"turn-{turn}", str(interval_ms)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        measured[interval_ms].append(msgspec.json.decode(done.stdout, type=Pass))
    without, with_ = (Pass(*map(statistics.median, zip(*map(msgspec.structs.astuple, found), strict=True))) for found in measured.values())
    share = f"{with_.checkpoints:.0f} checkpoints, {100 * with_.checkpoints_s / with_.wall_s:.1f} % of the time in them"
    return [
        ("windower without checkpoints", f"{without.readings / without.wall_s:,.0f} readings/s"),
        (f"with checkpoints every {DEFAULT_MS / 1000:g} s or rarer", f"{with_.readings / with_.wall_s:,.0f} readings/s; {share}"),
        ("slowdown by wall time, by CPU time", f"{slower(with_.wall_s, without.wall_s)}, {slower(with_.cpu_s, without.cpu_s)}"),
    ]


def slower(one: float, other: float) -> str:
    return f"{100 * (one / other - 1):.1f} %"


def one_pass(bench: Bench, group: str, interval_ms: int) -> Pass:
    """A new group reads the backlog through, in this process."""
    session = bench.session(group, interval_ms)
    while not session.partitions:
        session.turn(0.1)
    before = session.counts.copy()
    begin, cpu = time.perf_counter(), time.process_time()
    read_through(bench, session)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    made = session.counts - before
    return Pass(BACKLOG_STEPS * DEVICES, wall, cpu, made["checkpoints"], made["checkpoint_ms"] / 1000)


def many_checkpoints(bench: Bench) -> list[Row]:
    """All devices in one checkpoint, then many small ones."""
    bench.publish(bench.batch(device) for device in range(DEVICES))
    session = bench.session(bench.settings.group("window"), NEVER_MS)
    while not session.partitions:
        session.turn(0.1)
    read_through(bench, session)
    all_devices = timed(session.checkpoint)
    small = []
    for number in range(CHECKPOINTS):
        bench.publish(bench.reading((TOUCHED * number + place) % DEVICES, STEPS - 1) for place in range(TOUCHED))
        read_through(bench, session)
        small.append(timed(session.checkpoint))
    session.close()
    small.sort()
    written = f"{session.counts['state_records']:,} records, {session.counts['state_bytes'] / 1e6:.0f} MB"
    on_disk = f"{bench.size_on_disk(bench.state_topic) / 1e6:.0f} MB on disk"
    return [
        (f"checkpoint of {DEVICES:,} devices", f"{all_devices:.2f} s"),
        (f"checkpoint of {TOUCHED} devices", f"median {1000 * statistics.median(small):.0f} ms, p99 {1000 * small[-10]:.0f} ms"),
        (f"state topic after {CHECKPOINTS + 2:,} checkpoints", f"{written}; {on_disk}"),
    ]


def takeover(bench: Bench) -> list[Row]:
    """A windower of its own process is killed; another goes on."""
    with running(bench.folder, "window") as first:
        assigned_at(first)
        # What it adopted, and the first deletion of what it adopted from: that comes after the commit.
        adopted = sum(bench.broker.end_offsets(bench.state_topic).values()) + DEVICES + 1
        eventually(lambda: sum(bench.broker.end_offsets(bench.state_topic).values()) >= adopted, LIMIT_S, lambda: first.said)
        closing = time.perf_counter()
        first.kill()
    bench.publish(late(bench))
    before = sum(bench.broker.end_offsets(bench.settings.topics.windows).values())
    with running(bench.folder, "window") as second:
        begun_ms, restored_ms = assigned_at(second)
        eventually(lambda: sum(bench.broker.end_offsets(bench.settings.topics.windows).values()) > before, LIMIT_S, lambda: second.said)
        waited = time.perf_counter() - closing
        partitions = range(bench.settings.topics.partitions)
        first_window = min(record.timestamp for record in read_now(bench.broker, bench.settings.topics.windows, partitions))
    return [
        ("from SIGKILL to the first new window", f"{waited:.1f} s, the group's session timeout of 10 s included"),
        ("restore after assignment", f"{restored_ms / 1000:.2f} s"),
        ("from assignment to the first new window", f"{(first_window - begun_ms) / 1000:.2f} s"),
        ("state topic", f"{bench.size_on_disk(bench.state_topic) / 1e6:.0f} MB on disk"),
    ]


def late(bench: Bench) -> Iterator[Message]:
    """A reading that comes after the gap closes its window."""
    yield from (bench.reading(device, 200) for device in range(20))


def assigned_at(process: Running) -> tuple[float, int]:
    """(when its partitions were assigned, ms since the epoch; how long it then took to restore them)."""
    process.await_partitions(4)
    moments = [(datetime.fromisoformat(moment).timestamp() * 1000, int(taken)) for moment, _, taken in ASSIGNED.findall(process.said)]
    logged, taken = max(moments)
    return logged - taken, taken


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def main() -> None:
    """Prints a table."""
    kafka_jars()
    table = Table(f"{DEVICES:,} live devices, {STEPS} open steps, {len(SENSORS)} sensors", "measured")
    for parts in ((slowdown,), (many_checkpoints, takeover)):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            server = KafkaServer(Path(folder))
            try:
                server.start()
                (Path(folder) / "sensorline.toml").write_text(CONFIGURATION.format(address=server.address, sensors=list(SENSORS)))
                bench = Bench(Path(folder))
                for part in parts:
                    for row in part(bench):
                        table.add_row(*row)
                bench.broker.close()
            finally:
                server.stop()
    Console().print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.buffer.write(msgspec.json.encode(one_pass(Bench(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))))
    else:
        main()

"""How fast a contender reads what is on the topic: from the start of its process to its last window, less what a start takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from pipeline.clock import SystemClock
from tests.bench.peers.contenders import PARTITIONS, Contender
from tests.bench.peers.driver import WARM, WARM_AGES_S, Log, await_windows
from tests.bench.peers.task import GAP_MS
from tests.bench.peers.windows import Came, Role, Sent, Window, judge, of_good_readings, sessions
from tests.bench.peers.work import Worker

READINGS = 200_000
DEVICES = 500
MEAN_LENGTH = 37
PAUSE_MS = 30_000
AGO_MS = 7_200_000


@dataclass(frozen=True)
class Throughput:
    """`windows`: whether they are the right ones. `start_s`: from the start of the process to the first window of a tiny topic."""

    readings_per_s: float
    cpu_s: float
    peak_mb: float
    windows: str
    start_s: float


def load(now_ms: int) -> list[Sent]:
    """Sessions of log-normal lengths, a reading each second and half a minute between them; then one that closes, of each device."""
    random = Random(1)
    begin_ms = now_ms - AGO_MS
    sent = []
    for number in range(DEVICES):
        device, partition = f"pump-{number}", number % PARTITIONS
        times = list(accumulate(_steps_ms(random), initial=begin_ms + random.randrange(1000)))
        sent += [Sent(0, partition, device, time_ms) for time_ms in times[:-1]]
        sent.append(Sent(0, partition, device, times[-1] + 10 * PAUSE_MS, Role.CLOSING))
    return sorted(sent, key=lambda record: record.time_ms)


def _steps_ms(random: Random) -> Iterator[int]:
    """From one reading to the next."""
    left = READINGS // DEVICES
    while left > 0:
        length = min(left, max(1, round(random.lognormvariate(0, 0.5) * MEAN_LENGTH)))
        yield from [1000] * (length - 1)
        yield PAUSE_MS
        left -= length


def measure(contender: Contender, address: str, folder: Path) -> Throughput:
    """Raises `ProcessGone` when it gives up."""
    now_ms = SystemClock().now_ms()
    warm = [Sent(0, 0, WARM, now_ms - 1000 * age_s) for age_s in WARM_AGES_S]
    start = _pass(contender, address, folder / f"start-{contender.name}", warm, sessions(warm, GAP_MS)[:1])
    full = load(now_ms)
    whole = _pass(contender, address, folder / f"load-{contender.name}", full, sessions(full, GAP_MS))
    return Throughput(READINGS / (whole.wall_s - start.wall_s), whole.cpu_s, whole.peak_mb, whole.windows, start.wall_s)


@dataclass(frozen=True)
class _Pass:
    wall_s: float
    cpu_s: float
    peak_mb: float
    windows: str


def _pass(contender: Contender, address: str, folder: Path, sent: list[Sent], expected: list[Window]) -> _Pass:
    """From the start of the process to the last of the windows, by the log's own stamp."""
    with ExitStack() as stack:
        log = Log.create(address, stack, hooks=False)
        log.publish(sent)
        folder.mkdir(parents=True)
        command = contender.prepare(log.task, folder)
        begin_ms = SystemClock().now_ms()
        with Worker(folder, command).running() as worker:
            came = _await(log, contender, begin_ms, set(expected), worker)
            cpu_s, peak_mb = worker.cpu_s(), worker.peak_rss_mb()
    windows = of_good_readings(sent, [it.window for it in came])
    wanted = set(expected)
    last_s = max(it.at_s for it in came if it.window in wanted)
    return _Pass(last_s, cpu_s, peak_mb, str(judge(expected, windows)))


def _await(log: Log, contender: Contender, begin_ms: int, expected: set[Window], worker: Worker) -> list[Came]:
    """All windows, when the expected ones are among them. Raises `ProcessGone` when no further one comes for long."""
    number = len(expected)
    while True:
        await_windows(log, number, worker)
        number = log.count(log.task.windows) + 1
        came = log.windows(contender, begin_ms)
        if expected <= {it.window for it in came}:
            return came

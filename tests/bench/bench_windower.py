"""Readings a second of one core: decoding alone, windowing alone, both. Run it by hand: `python -m tests.bench windower`.

Sessions, 8 sensors, 500 devices, all sensors in every reading; readings come up to 1.5 s out of order. CPU time, the best of
three rounds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.brokers.protocol import Message, Record
from pipeline.core.policy import Keep, Overflow, Session, WindowPolicy
from pipeline.core.windower import PartitionWindower
from pipeline.stages.protocol import Handover
from pipeline.stages.window_partition import PartitionTask, WindowTopics
from pipeline.wire.readings import Decoded, ReadingDecoder

SENSORS = tuple(f"sensor-{number}" for number in range(8))
DEVICES, READINGS, BATCH = 500, 200_000, 50
START_MS = 1_767_225_600_000
POLICY = WindowPolicy(Session(10_000), 2_000, 60_000, 256, Overflow.SPLIT, Keep.LAST)


def readings(count: int = READINGS, devices: int = DEVICES, batch: int = 1) -> list[Record]:
    """A log of `count` readings, `batch` of one device in each record."""
    rng, records = random.Random(1), []
    for offset in range(count // batch):
        arrival = START_MS + offset * batch * 2
        device = f"pump-{rng.randrange(devices)}"
        times = [arrival - rng.randrange(1_500) for _ in range(batch)]
        if batch == 1:
            value = {"device": device, "time": times[0], "values": {sensor: rng.random() for sensor in SENSORS}}
        else:
            value = {"device": device, "times": sorted(times), "values": {sensor: [rng.random() for _ in times] for sensor in SENSORS}}
        records.append(Record("readings", 0, offset, arrival, device.encode(), msgspec.json.encode(value)))
    return records


def partition_task() -> PartitionTask:
    """A partition that nobody has begun."""
    return PartitionTask(POLICY, ReadingDecoder(SENSORS), WindowTopics("readings", "windows", "rejected"), Handover(0, 0, writer="bench"))


def decode(records: Sequence[Record]) -> None:
    decoder = ReadingDecoder(SENSORS)
    for record in records:
        decoder.decode(record.key, record.value)


def window(records: Sequence[Record], decoded: Sequence[Decoded]) -> None:
    windower = PartitionWindower(POLICY, SENSORS, "readings", 0)
    for record, message in zip(records, decoded, strict=True):
        windower.arrive(record.timestamp, False, record.offset)
        for row in message.rows:
            assert isinstance(row, tuple)
            windower.take(message.device, row[0], row[1], record.offset, record.timestamp)
        windower.collect()


def stage(records: Sequence[Record]) -> None:
    task, out = partition_task(), list[Message]()
    for record in records:
        task.take(record, out)


def cpu_seconds(work: Callable[[], None], rounds: int = 3) -> float:
    """The least CPU time of some rounds."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def main() -> None:
    """Prints a table."""
    table = Table("readings per second of one core", "single readings", f"batches of {BATCH}")
    logs = [readings(), readings(batch=BATCH)]
    decoder = ReadingDecoder(SENSORS)
    messages = [[decoded for record in log if isinstance(decoded := decoder.decode(record.key, record.value), Decoded)] for log in logs]
    rows: dict[str, list[Callable[[], None]]] = {
        "decode": [partial(decode, log) for log in logs],
        "window": [partial(window, log, decoded) for log, decoded in zip(logs, messages, strict=True)],
        "decode, window, encode": [partial(stage, log) for log in logs],
    }
    for name, works in rows.items():
        table.add_row(name, *[f"{READINGS / cpu_seconds(work):,.0f}" for work in works])
    Console().print(table)


if __name__ == "__main__":
    main()

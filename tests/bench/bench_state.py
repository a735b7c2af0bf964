"""What live devices cost: CPU per reading, memory, saving and restoring. Run it by hand: `python -m tests.bench state`.

Sessions that stay open, 8 sensors. Each row in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.core.keyed_state import KeyedState, Mark
from pipeline.core.policy import Keep, Overflow, Session, WindowPolicy
from pipeline.core.windower import PartitionWindower

SENSORS = tuple(f"sensor-{number}" for number in range(8))
POLICY = WindowPolicy(Session(10**9), 2_000, 10**10, 10_000, Overflow.SPLIT, Keep.LAST, max_ahead_ms=None)
START_MS = 1_767_225_600_000
CASES = ((100, 400), (1_000, 40), (10_000, 40), (100_000, 10))


def measure(devices: int, steps: int) -> tuple[str, ...]:
    """One row, in this process."""
    before = resident_bytes()
    windower = PartitionWindower(POLICY, SENSORS, "readings", 0)
    names = [f"pump-{device}" for device in range(devices)]
    pack, offset = struct.Struct("<8f").pack, 0
    begin = time.process_time()
    for step in range(steps):
        row = pack(*[float(step)] * 8)
        for name in names:
            arrival = START_MS + offset
            windower.arrive(arrival, False, offset)
            windower.take(name, arrival, row, offset, arrival)
            offset += 1
    taken = time.process_time() - begin
    held = resident_bytes() - before
    begin = time.process_time()
    writes = KeyedState(windower, "old").save(offset)
    saved = time.process_time() - begin
    begin = time.process_time()
    KeyedState(PartitionWindower(POLICY, SENSORS, "readings", 0), "new").restore(
        Mark("old"), [(write.key, write.value) for write in writes]
    )
    restored = time.process_time() - begin
    size = sum(len(write.key) + len(write.value or b"") for write in writes)
    return (
        f"{devices:,} x {steps}",
        f"{taken / offset * 1e6:.1f} us",
        f"{held / 1e6:,.0f} MB",
        f"{size / 1e6:,.1f} MB",
        f"{saved:.2f} s",
        f"{restored:.2f} s",
    )


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Prints a table."""
    table = Table("live devices x open steps", "per reading", "memory", "state", "save all", "restore all")
    for devices, steps in CASES:
        command = [sys.executable, "-m", "tests.bench.bench_state", str(devices), str(steps)]
        table.add_row(*subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split("\t"))
    Console().print(table)


if __name__ == "__main__":
    sys.stdout.write("\t".join(measure(int(sys.argv[1]), int(sys.argv[2]))) + "\n")

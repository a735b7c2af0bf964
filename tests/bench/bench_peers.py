"""sensorline and what one would otherwise take, on the same cases and the same load, on a real Kafka.

Run it by hand: `python -m tests.bench peers --python build/peers/bin/python`, with `--case NAME` or `--peer NAME` for some.
The peers' packages are in an environment of their own; without it, it says how to make one. All of it takes about an hour.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.peers.cases import CASES, Case
from tests.bench.peers.contenders import ROOT, Contender, contenders, versions
from tests.bench.peers.driver import play
from tests.bench.peers.throughput import DEVICES, READINGS, measure
from tests.bench.peers.work import ProcessGone
from tests.support.kafka_server import running_kafka

THROUGHPUT = "throughput"
PYTHON = ROOT / "build" / "peers" / "bin" / "python"


def main(arguments: Sequence[str] = ()) -> None:
    """Prints the rows of two tables, each when it is there."""
    asked = _options(arguments)
    _row([versions(asked.python)])
    everyone = contenders(asked.python)
    chosen = {name: everyone[name] for name in asked.peer or everyone}
    names = asked.case or [*CASES, THROUGHPUT]
    with running_kafka() as address, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _row(["sessions, gap 10 s, grace 5 s", *chosen])
        for case in [CASES[name] for name in names if name != THROUGHPUT]:
            _row([case.title, *_play_all(case, chosen, address, Path(folder))])
        if THROUGHPUT in names:
            _row([f"{READINGS:,} readings, {DEVICES} devices", "readings/s", "CPU-s", "peak RSS", "windows", "start"])
            for row in _measure_all(chosen, address, Path(folder)):
                _row(row)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench peers", description=__doc__)
    parser.add_argument("--python", default=str(PYTHON), help="of the peers' environment")
    parser.add_argument("--case", action="append", choices=[*CASES, THROUGHPUT], help="this one only; may be repeated")
    parser.add_argument("--peer", action="append", choices=list(contenders("")), help="this one only; may be repeated")
    return parser.parse_args(arguments)


def _play_all(case: Case, chosen: Mapping[str, Contender], address: str, folder: Path) -> list[str]:
    """All contenders at once where the case is mostly waiting, else one after the other."""
    with ThreadPoolExecutor(1 if case.alone else len(chosen)) as threads:
        return list(threads.map(lambda contender: play(contender, case, address, folder), chosen.values()))


def _measure_all(chosen: Mapping[str, Contender], address: str, folder: Path) -> Iterator[Sequence[str]]:
    """Rows of a table, each when it is there."""
    for name, contender in chosen.items():
        try:
            found = measure(contender, address, folder)
        except ProcessGone as gone:
            yield name, f"gave up: {gone}"
            continue
        rate, cpu, peak = f"{found.readings_per_s:,.0f}", f"{found.cpu_s:.1f}", f"{found.peak_mb:.0f} MB"
        yield name, rate, cpu, peak, found.windows, f"{found.start_s:.1f} s"


def _row(cells: Iterable[str]) -> None:
    """Of a table in Markdown, as the page on comparisons has it."""
    print("|", " | ".join(cells), "|", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

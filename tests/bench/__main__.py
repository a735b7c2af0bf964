"""The benchmarks, one after the other, or those that are named: `python -m tests.bench windower flow`.

Options go to the one that is named: `python -m tests.bench cmapss --subset FD001`.
"""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("windower", "state", "brokers", "scorer", "growing", "reload", "flow", "http", "replay", "takeover", "backtest", "dashboard")
MODELS = ("cmapss", "occupancy", "robustness")  # they train models for an hour or so, on recordings that must be there
OTHERS = ("peers",)  # packages of an environment of their own


def main() -> None:
    """Runs them in this process; each prints a table."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    options: list[str] = []
    if len(names) != len(sys.argv[1:]):
        names, options = sys.argv[1:2], sys.argv[2:]
    unknown = set(names) - {*NAMES, *MODELS, *OTHERS}
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, *MODELS, *OTHERS))}")
    for name in names or NAMES:
        benchmark = import_module(f"tests.bench.bench_{name}")
        benchmark.main(options) if options else benchmark.main()


if __name__ == "__main__":
    main()

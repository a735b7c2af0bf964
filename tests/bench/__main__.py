"""The benchmarks, one after the other, or those that are named: `python -m tests.bench windower flow`."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("windower", "state", "brokers", "scorer", "flow", "takeover", "cmapss")


def main() -> None:
    """Runs them in this process; each prints a table."""
    chosen = sys.argv[1:] or list(NAMES)
    unknown = set(chosen) - set(NAMES)
    if unknown:
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in chosen:
        import_module(f"tests.bench.bench_{name}").main()


if __name__ == "__main__":
    main()

"""The way in: `sensorline`, and `python -m pipeline.cli` where that is not on the path.

It imports nothing before it can be interrupted: loading the rest takes a moment, and Ctrl-C in it is no error.
"""

from __future__ import annotations

import sys


def start() -> None:
    """Runs the command line of this process."""
    try:
        from pipeline.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    start()

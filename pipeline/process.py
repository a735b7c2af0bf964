"""One operating-system process: several runners side by side, stopped cleanly by SIGTERM and SIGINT."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from pipeline.runner import Runner


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the handlers that were there before come back at the end."""
    stop = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    before = {signum: signal.signal(signum, handle) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def run_all(runners: Sequence[Runner], stop: threading.Event) -> None:
    """Runs the stages in the order of the data's flow, each in a thread, until all have finished.

    When one fails, all stop, and the first error is raised.
    """
    errors: list[BaseException] = []

    def run(runner: Runner, upstream: threading.Event | None) -> None:
        try:
            runner.run(stop, upstream)
        except BaseException as error:  # carried to the caller's thread
            errors.append(error)
            stop.set()

    upstreams = [None, *[runner.finished for runner in runners]]
    threads = [
        threading.Thread(target=run, args=(runner, upstream), name=runner.stage.name)
        for runner, upstream in zip(runners, upstreams, strict=False)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

"""One operating-system process: several runners side by side, stopped cleanly by SIGTERM and SIGINT."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from types import FrameType

from pipeline.runner import Runner

log = logging.getLogger(__name__)

STOPS_WITHIN_S = 9.0  # ten are promised
AWAKE_S = 0.5


@contextmanager
def stop_on_signals(within_s: float = STOPS_WITHIN_S) -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the handlers that were there before come back at the end.

    Who has not stopped `within_s` seconds after the first signal (its broker does not answer, say), or gets a second one, is
    ended on the spot, with exit code 1: nothing is lost by it, what was not committed is read again.
    """
    stop = threading.Event()
    told = count()
    limit = threading.Timer(within_s, _end, [f"not stopped within {within_s:g} s"])
    limit.daemon = True

    def handle(signum: int, frame: FrameType | None) -> None:
        # Counted, not asked of `stop`: the second signal may come while the first one is being handled.
        if next(told):
            _end("told to stop twice")
        stop.set()
        limit.start()

    before = {signum: signal.signal(signum, handle) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        limit.cancel()
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _end(why: str) -> None:
    log.error("%s: ended on the spot; what was not committed is read again", why)
    logging.shutdown()
    os._exit(1)


def run_all(runners: Sequence[Runner], stop: threading.Event, optional: Collection[Runner] = ()) -> None:
    """Runs the stages in the order of the data's flow, each in a thread, until all have finished.

    When one fails, all stop, and the first error is raised; when an `optional` one does, the others go on without it.
    """
    errors: list[BaseException] = []

    def run(runner: Runner, upstream: threading.Event | None) -> None:
        try:
            runner.run(stop, upstream)
        except BaseException as error:  # carried to the caller's thread
            if runner in optional:
                log.exception("%s: ended by an error; the others go on", runner.stage.name)
                return
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
        # Where the kernel gives a signal to another thread, its handler waits until this one wakes up.
        while thread.is_alive():
            thread.join(AWAKE_S)
    if errors:
        raise errors[0]

"""Work of a test that goes on in a thread beside the test, on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.brokers.protocol import Broker
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from tests.support.pipelines import Pipeline


@contextmanager
def beside(pipeline: Pipeline, work: Callable[[Broker, threading.Event], None]) -> Iterator[None]:
    """Does the work until the end of the block, which sets the event; an error of the work is raised there."""
    stop, errors = threading.Event(), list[BaseException]()

    def run() -> None:
        broker = open_broker(parse_url(pipeline.url, pipeline.folder), SystemClock(), kafka=pipeline.settings.broker.kafka.options())
        try:
            work(broker, stop)
        except BaseException as error:  # carried to the test's thread
            errors.append(error)
        finally:
            broker.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if errors:
            raise errors[0]

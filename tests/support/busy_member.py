"""A member that polls all the time in a thread of its own, as a process would, and does what a test tells it in between."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pipeline.brokers.protocol import Consumer, Position

_LIMIT_S = 30.0
Answer = TypeVar("Answer")


class BusyMember:
    """Polls from its making to `stop`. What it shows may be a poll old."""

    def __init__(self, consumer: Consumer) -> None:
        self.held: frozenset[int] = frozenset()
        self.values: list[str] = []
        self.committed: dict[int, Position | None] = {}
        self.polls = 0
        self._consumer = consumer
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def begins(self, action: Callable[[Consumer], Answer]) -> Future[Answer]:
        """Has something done between two polls, in its thread."""
        future: Future[Answer] = Future()

        def obey() -> None:
            try:
                future.set_result(action(self._consumer))
            except Exception as error:
                future.set_exception(error)

        self._orders.put(obey)
        return future

    def does(self, action: Callable[[Consumer], Answer]) -> Answer:
        """Has something done and waits for it."""
        return self.begins(action).result(_LIMIT_S)

    def stop(self) -> None:
        """Leaves the group. Idempotent."""
        self._stopping = True
        self._thread.join(_LIMIT_S)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._poll()
                while not self._orders.empty():
                    self._orders.get()()
        finally:
            self._consumer.close()

    def _poll(self) -> None:
        poll = self._consumer.poll(0.1)
        self.polls += 1
        self.held = self.held - frozenset(poll.revoked) | {assignment.partition for assignment in poll.assigned}
        self.committed |= {assignment.partition: assignment.committed for assignment in poll.assigned}
        self.values += [(record.value or b"").decode() for record in poll.records]


def until(holds: Callable[[], bool]) -> None:
    """Waits until it holds."""
    moment = threading.Event()
    for _ in range(int(_LIMIT_S * 20)):
        if holds():
            return
        moment.wait(0.05)
    raise AssertionError(f"does not hold after {_LIMIT_S:g} s")

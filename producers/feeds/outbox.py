"""Messages on their way to the log: bounded, and told of only when the log has acknowledged them. Knows no transport.

One thread has the connection to the log. While it waits for the acknowledgement of some messages, others gather; so many
senders share one flush, however long it takes.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.brokers.protocol import Broker, Message, Publisher
from pipeline.clock import Clock
from pipeline.core.buckets import ACKNOWLEDGED_MS
from pipeline.errors import BrokerUnreachable, SensorlineError, Transient
from pipeline.metrics.health import ALIVE_WITHIN_S, READY_WITHIN_S, Verdict

log = logging.getLogger(__name__)

RETRY_S = 1.0
LOOK_S = 5.0  # while nothing is to be published, the log is asked for its end so often: it shows whether it can be reached
AT_ONCE = 10_000  # messages of one flush: more than that only delays those who wait for the first

Token = TypeVar("Token")


@dataclass(frozen=True)
class Room:
    """How much may wait for its acknowledgement. One entry alone always has room."""

    messages: int
    size_bytes: int = 67_108_864


@dataclass(frozen=True)
class Log:
    """How to connect to the log, and one of the topics that it must have."""

    connect: Callable[[], Broker]
    topic: str


@dataclass(frozen=True)
class _Entry(Generic[Token]):
    messages: Sequence[Message]
    token: Token
    size_bytes: int
    offered_s: float


class Outbox(Generic[Token]):
    """Publishes what it is offered, in order, until the log has it: at least once, over any failure of the log.

    `acknowledged` is called, in the outbox's thread, with the tokens of entries whose messages the log has.
    """

    def __init__(self, log: Log, room: Room, acknowledged: Callable[[Sequence[Token]], None], clock: Clock) -> None:
        self._log = log
        self._room = room
        self._acknowledged = acknowledged
        self._clock = clock
        self._waiting: deque[_Entry[Token]] = deque()
        self._messages = 0  # offered and not acknowledged
        self._bytes = 0
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._trouble: str | None = None
        self._signed_s = clock.monotonic_s()  # when the thread last began something that may take long
        self._reached_s: float | None = None  # when the log last answered
        self.error: BaseException | None = None
        self.counts: Counter[str] = Counter()

    @property
    def trouble(self) -> str | None:
        """Why the log does not take anything at the moment, as far as that is known; it is tried again."""
        return self._trouble

    @property
    def waiting(self) -> int:
        """Messages that were taken and have no acknowledgement yet."""
        return self._messages

    def alive(self) -> Verdict:
        """It is not stuck. While the log is away it tries again, which is a sign of life too."""
        age_s = self._clock.monotonic_s() - self._signed_s
        return Verdict(age_s <= ALIVE_WITHIN_S, (f"outbox: last sign of life {age_s:.0f} s ago",))

    def ready(self) -> Verdict:
        """The log has answered lately, and has refused nothing since."""
        if self._trouble is not None:
            return Verdict(False, (f"log: {self._trouble}",))
        if self._reached_s is None:
            return Verdict(False, ("log: not reached yet",))
        age_s = self._clock.monotonic_s() - self._reached_s
        return Verdict(age_s <= READY_WITHIN_S, (f"log: answered {age_s:.0f} s ago",))

    def start(self) -> None:
        """Begins to publish."""
        self._thread.start()

    def offer(self, messages: Sequence[Message], token: Token, wait_s: float = 0.0) -> bool:
        """Takes messages over; False where there is no room within `wait_s`, and when it is closing or has failed."""
        size = sum([len(message.key or b"") + len(message.value or b"") for message in messages])
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_over() or self._has_room(len(messages), size), wait_s) or self._is_over():
                return False
            self._waiting.append(_Entry(messages, token, size, self._clock.monotonic_s()))
            self._messages += len(messages)
            self._bytes += size
            self._changed.notify_all()
        return True

    def close(self, within_s: float) -> int:
        """Takes no more, waits for the acknowledgement of what there is; returns how many messages have none by then."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return self._messages

    def _is_over(self) -> bool:
        return self._closing.is_set() or self.error is not None

    def _has_room(self, messages: int, size: int) -> bool:
        room = self._messages + messages <= self._room.messages and self._bytes + size <= self._room.size_bytes
        return self._messages == 0 or room

    def _run(self) -> None:
        try:
            while self._connected_life() and not self._closing.wait(RETRY_S):
                pass
        except BaseException as error:  # carried to the process's thread, which asks for it
            with self._changed:
                self.error = error
                self._changed.notify_all()

    def _connected_life(self) -> bool:
        """Publishes with one connection; returns whether there must be another one, False at the end."""
        self._signed_s = self._clock.monotonic_s()
        try:
            broker = self._log.connect()
            try:
                self._use(broker)
            finally:
                broker.close()
        except (Transient, BrokerUnreachable) as error:
            if self._trouble is None:
                log.warning("the log does not take readings: %s; they are sent again", error)
            self._trouble = str(error)
            return True
        return False

    def _use(self, broker: Broker) -> None:
        publisher = broker.publisher()
        wait_s = 0.0
        while (entries := self._next(wait_s)) or not self._closing.is_set():
            self._signed_s = self._clock.monotonic_s()
            if entries:
                self._publish(publisher, entries)
            else:
                broker.end_offsets(self._log.topic)
                self._reached()
            wait_s = LOOK_S

    def _reached(self) -> None:
        self._reached_s = self._clock.monotonic_s()
        if self._trouble is not None:
            log.warning("the log takes readings again")
            self._trouble = None

    def _next(self, wait_s: float) -> list[_Entry[Token]]:
        """The entries to publish now, which stay at the head of those that wait; none when there are none within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set(), wait_s)
            entries: list[_Entry[Token]] = []
            messages = 0
            for entry in self._waiting:
                entries.append(entry)
                messages += len(entry.messages)
                if messages >= AT_ONCE:
                    break
            return entries

    def _publish(self, publisher: Publisher, entries: Sequence[_Entry[Token]]) -> None:
        for entry in entries:
            for message in entry.messages:
                try:
                    publisher.send(message)
                except ValueError as error:
                    raise SensorlineError(f"a reading cannot be published: {error}; let the topic take more") from error
        publisher.flush()
        self._reached()
        with self._changed:
            for entry in entries:
                self._waiting.popleft()
                self._messages -= len(entry.messages)
                self._bytes -= entry.size_bytes
            self._changed.notify_all()
        self.counts["records_out"] += sum([len(entry.messages) for entry in entries])
        now_s = self._clock.monotonic_s()
        for entry in entries:
            ACKNOWLEDGED_MS.add(self.counts, round(1_000 * (now_s - entry.offered_s)))
        self._acknowledged([entry.token for entry in entries])

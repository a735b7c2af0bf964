"""Keeps a stage, or a delivery, running: on a `Transient` error it drops the clients, goes back to the last commit and goes on."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from math import inf

import msgspec

from pipeline.brokers.protocol import Broker
from pipeline.clock import Clock
from pipeline.delivery import Delivery, DeliverySession
from pipeline.errors import BrokerUnreachable, Transient
from pipeline.session import Session, SessionOptions
from pipeline.stages.protocol import Stage

log = logging.getLogger(__name__)

RETRY_S = 1.0
SNAPSHOT_S = 5.0
LOOK_AGAIN_S = 60.0
WAITS_S = 10.0  # without a partition, before it is said of a run that is to end


class Finish(Enum):
    """Where a run ends."""

    NEVER = "never"  # at the stop signal
    UNTIL_END = "until-end"  # at the end of the input; what is open stays open
    DRAIN = "drain"  # the same, and what is open is closed


class Pulse(msgspec.Struct, frozen=True):
    """The end of a turn: when, on a clock that never goes back, and with how many partitions."""

    at_s: float
    partitions: int


class Runner:
    """Keeps a stage running until it has finished or is told to stop."""

    def __init__(
        self, connect: Callable[[], Broker], stage: Stage | Delivery, options: SessionOptions, clock: Clock, finish: Finish = Finish.NEVER
    ) -> None:
        self.finished = threading.Event()
        self.stage = stage
        self._connect = connect
        self._options = options
        self._clock = clock
        self._finish = finish
        self._past: Counter[str] = Counter()  # counts of sessions that are over
        self._snapshot: Mapping[str, int] = {}
        self._snapshot_due_s = 0.0
        self._look_due_s = 0.0
        self.pulse: Pulse | None = None
        self.signed_s = clock.monotonic_s()  # when it last began a turn or tried to connect
        self.gauges: Mapping[str, int] = {}  # what is true now, not since the beginning; replaced, never changed

    @property
    def counts(self) -> Mapping[str, int]:
        """Running totals of the stage and its sessions, a few seconds old at most; may be read from any thread."""
        return self._snapshot

    def run(self, stop: threading.Event, upstream: threading.Event | None = None) -> None:
        """Runs until `stop` is set or the end that `finish` names is reached.

        The end of the input is taken when `upstream`, the stage that writes it, has finished. The first connection must
        succeed (`BrokerUnreachable`); later ones are tried again for as long as it takes.
        """
        connected = False
        try:
            while not stop.is_set():
                self.signed_s = self._clock.monotonic_s()
                try:
                    broker = self._connect()
                    connected = True
                    try:
                        self._run_session(broker, stop, upstream)
                    finally:
                        broker.close()
                    return
                except (Transient, BrokerUnreachable) as error:
                    if not connected:
                        raise
                    log.warning("%s: %s; going back to the last committed offset", self.stage.name, error)
                    stop.wait(RETRY_S)
        finally:
            shown = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()) if count)
            log.info("%s: ended; %s", self.stage.name, shown or "nothing was read")
            self.finished.set()

    def _run_session(self, broker: Broker, stop: threading.Event, upstream: threading.Event | None) -> None:
        session = self._open_session(broker)
        try:
            if self._finish is Finish.NEVER:
                while not stop.is_set():
                    self._turn(session)
            else:
                self._run_to_end(session, broker, stop, upstream)
            session.checkpoint()
        finally:
            session.close()
            self._past.update(session.counts)
            self._snapshot = {**self.stage.counts(), **self._past}

    def _open_session(self, broker: Broker) -> Session | DeliverySession:
        if isinstance(self.stage, Delivery):
            return DeliverySession(broker, self.stage, self._options, self._clock)
        return Session(broker, self.stage, self._options, self._clock)

    def _turn(self, session: Session | DeliverySession) -> None:
        self.signed_s = self._clock.monotonic_s()
        session.turn()
        now_s = self._clock.monotonic_s()
        self.pulse = Pulse(now_s, len(session.partitions))
        if now_s >= self._snapshot_due_s:
            self._snapshot = {**self.stage.counts(), **(self._past + session.counts)}
            self._snapshot_due_s = now_s + SNAPSHOT_S
        if now_s >= self._look_due_s:
            self._look(session, now_s)

    def _look(self, session: Session | DeliverySession, now_s: float) -> None:
        """How far the stage is behind. A log that does not say keeps the stage waiting, so it is not asked again so soon."""
        self._look_due_s = now_s + LOOK_AGAIN_S
        with suppress(Transient):
            self.gauges = {"lag_records": session.behind(), "partitions": len(session.partitions)}
            self._look_due_s = now_s + SNAPSHOT_S

    def _run_to_end(
        self, session: Session | DeliverySession, broker: Broker, stop: threading.Event, upstream: threading.Event | None
    ) -> None:
        while upstream is not None and not upstream.is_set() and not stop.is_set():
            self._turn(session)
        ends = broker.end_offsets(self.stage.source)
        said_at_s = self._clock.monotonic_s() + WAITS_S
        while not session.reached(ends) and not stop.is_set():
            self._turn(session)
            if not session.partitions and self._clock.monotonic_s() >= said_at_s:
                said_at_s = inf
                log.warning(
                    "%s: waiting: other members of the group %s have all partitions; stop them, or begin a group of its own with --group",
                    self.stage.name,
                    self._options.group,
                )
        if self._finish is Finish.DRAIN and not stop.is_set():
            session.drain()

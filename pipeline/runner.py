"""Drives one stage on one broker: poll, step, publish, wait for the acknowledgements, commit.

`Session` is one life of the clients and can be driven by hand, a turn at a time, with a manual clock. `Runner` keeps a
session running: on a `Transient` error it drops the clients, goes back to the last committed offset and goes on.
No committed offset ever passes an output that the log has not acknowledged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from enum import Enum

import msgspec

from pipeline.brokers.protocol import Broker, Poll
from pipeline.clock import Clock
from pipeline.errors import BrokerUnreachable, Transient
from pipeline.stages.protocol import Stage

log = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 1.0


class Finish(Enum):
    """Where a run ends."""

    NEVER = "never"  # at the stop signal
    UNTIL_END = "until-end"  # at the end of the input; what is open stays open
    DRAIN = "drain"  # the same, and what is open is closed


class RunOptions(msgspec.Struct, frozen=True):
    """How a stage is run."""

    group: str
    finish: Finish = Finish.NEVER
    checkpoint_interval_ms: int = 1000
    max_records: int = 2000


class Session:
    """One life of a stage's clients. Raises `Transient` when that life is over."""

    def __init__(self, broker: Broker, stage: Stage, options: RunOptions, clock: Clock) -> None:
        self._broker = broker
        self._stage = stage
        self._clock = clock
        self._interval_s = options.checkpoint_interval_ms / 1000
        self._publisher = broker.publisher()
        self._consumer = broker.consumer(stage.source, options.group, options.max_records)
        self._heard_s: dict[int, float] = {}  # by assigned partition: when a record last came, or a tick was sent
        self._checkpoint_due_s = clock.monotonic_s() + self._interval_s

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions that are assigned now."""
        return tuple(self._heard_s)

    def turn(self, timeout_s: float = POLL_S) -> bool:
        """One turn; waits at most `timeout_s` for input. Returns whether there was any.

        Checkpoints come by time, but on an atomic broker with every step: there outputs and position are one transaction.
        """
        poll = self._consumer.poll(timeout_s)
        self._rebalance(poll)
        if poll.records:
            self._step(poll)
        self._tick()
        if self._broker.atomic and poll.records or self._clock.monotonic_s() >= self._checkpoint_due_s:
            self.checkpoint()
        return bool(poll.records)

    def checkpoint(self) -> None:
        """Waits for the acknowledgement of all outputs, then commits every position that may be committed."""
        wanted = [self._stage.checkpoint(partition) for partition in self._heard_s]
        positions = [position for position in wanted if position is not None]
        with self._broker.transaction():
            self._publisher.flush()
            if positions:
                self._consumer.commit(positions)
        self._checkpoint_due_s = self._clock.monotonic_s() + self._interval_s

    def drain(self) -> None:
        """Closes what is open in the assigned partitions, and commits."""
        for partition in self._heard_s:
            for message in self._stage.drain(partition, self._clock.now_ms()):
                self._publisher.send(message)
        self.checkpoint()

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Every assigned partition (there is one) has been read up to its offset in `ends`."""
        return bool(self._heard_s) and all(self._consumer.position(p) >= ends.get(p, 0) for p in self._heard_s)

    def close(self) -> None:
        """Leaves the group; what was not committed is read again by whoever comes next."""
        for partition in self._heard_s:
            self._stage.revoke(partition)
        self._heard_s = {}
        self._consumer.close()
        self._publisher.close()

    def _rebalance(self, poll: Poll) -> None:
        for partition in poll.revoked:
            if self._heard_s.pop(partition, None) is not None:
                self._stage.revoke(partition)
                log.info("%s: partition %d revoked", self._stage.name, partition)
        for assignment in poll.assigned:
            self._stage.assign(assignment)
            self._heard_s[assignment.partition] = self._clock.monotonic_s()
            log.info("%s: partition %d assigned, from %s", self._stage.name, assignment.partition, assignment.committed or "the start")

    def _step(self, poll: Poll) -> None:
        now_s = self._clock.monotonic_s()
        for record in poll.records:
            self._heard_s[record.partition] = now_s
        for message in self._stage.step(poll.records, self._clock.now_ms()):
            self._publisher.send(message)

    def _tick(self) -> None:
        """Asks the log for the time in partitions that have been read to the end and are silent, where something waits for it."""
        interval_ms = self._stage.tick_interval_ms
        if interval_ms is None:
            return
        now_s = self._clock.monotonic_s()
        silent = [p for p, heard_s in self._heard_s.items() if now_s - heard_s >= interval_ms / 1000]
        ticks = {p: message for p in silent if (message := self._stage.tick(p)) is not None}
        if not ticks:
            return
        ends = self._broker.end_offsets(self._stage.source)
        for partition, message in ticks.items():
            if self._consumer.position(partition) >= ends[partition]:
                self._publisher.send(message)
                self._heard_s[partition] = now_s
        self._publisher.flush()


class Runner:
    """Keeps a stage running until it has finished or is told to stop."""

    def __init__(self, connect: Callable[[], Broker], stage: Stage, options: RunOptions, clock: Clock) -> None:
        self.finished = threading.Event()
        self.stage = stage
        self._connect = connect
        self._options = options
        self._clock = clock

    def run(self, stop: threading.Event, upstream: threading.Event | None = None) -> None:
        """Runs until `stop` is set or the options' end is reached.

        The end of the input is taken when `upstream`, the stage that writes it, has finished. The first connection must
        succeed (`BrokerUnreachable`); later ones are tried again for as long as it takes.
        """
        connected = False
        try:
            while not stop.is_set():
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
            self.finished.set()

    def _run_session(self, broker: Broker, stop: threading.Event, upstream: threading.Event | None) -> None:
        session = Session(broker, self.stage, self._options, self._clock)
        try:
            if self._options.finish is Finish.NEVER:
                while not stop.is_set():
                    session.turn()
            else:
                self._run_to_end(session, broker, stop, upstream)
            session.checkpoint()
        finally:
            session.close()

    def _run_to_end(self, session: Session, broker: Broker, stop: threading.Event, upstream: threading.Event | None) -> None:
        while upstream is not None and not upstream.is_set() and not stop.is_set():
            session.turn()
        ends = broker.end_offsets(self.stage.source)
        while not session.reached(ends) and not stop.is_set():
            session.turn()
        if self._options.finish is Finish.DRAIN and not stop.is_set():
            session.drain()

"""A stage as a process that sends itself a signal at a named place: `... failing_process window MIDDLE_OF_STATE 2 SIGKILL`.

It runs the stage that the configuration in its folder describes, like the command of the same name. The signal comes the
n-th time that the place is reached; with SIGSTOP it goes on from there when somebody continues it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from consumers.launch import Launch, build_stages, require_topics, run_stages
from pipeline.brokers.protocol import Broker, Consumer, Message, Poll, Position, Publisher
from pipeline.cli.context import connected, connector
from pipeline.config import load
from pipeline.logs import LogFormat, LogLevel, set_up
from pipeline.process import stop_on_signals
from tests.support.forwarding import ForwardingBroker, ForwardingConsumer, ForwardingPublisher


class Place(Enum):
    """Where in a checkpoint, or before the first one."""

    AFTER_RESTORE = "the state has been read, nothing of it is written"
    AFTER_OUTPUTS = "the outputs are acknowledged, no state is written"
    MIDDLE_OF_STATE = "some of the state is acknowledged"
    BEFORE_COMMIT = "the state is acknowledged, nothing is committed"
    AFTER_COMMIT = "all is committed, and the first tombstone is about to be written"


class Failure:
    """Sends the signal at the `times`-th time that `place` is reached."""

    def __init__(self, place: Place, times: int, number: signal.Signals) -> None:
        self.place = place
        self._left = times
        self._signal = number
        self.restoring = False  # partitions were assigned, and their state is being read
        self.states = 0  # state records of the checkpoint under way

    def reach(self, place: Place) -> None:
        """The process is there."""
        if place is not self.place:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)


class FailingBroker(ForwardingBroker):
    """Watches what is written and committed through it."""

    def __init__(self, inner: Broker, failure: Failure) -> None:
        super().__init__(inner)
        self._failure = failure

    def publisher(self) -> Publisher:
        return _Publisher(self._inner.publisher(), self._failure)

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        inner = self._inner.consumer(topic, group, max_records)
        return inner if group is None else _Member(inner, self._failure)


class _Publisher(ForwardingPublisher):
    """What comes before the first record of the state has been acknowledged; tombstones come after a commit."""

    def __init__(self, inner: Publisher, failure: Failure) -> None:
        super().__init__(inner)
        self._failure = failure

    def send(self, message: Message) -> None:
        if message.topic.endswith(".state"):
            self._send_state(message)
        self._inner.send(message)

    def _send_state(self, message: Message) -> None:
        if message.value is None:
            self._failure.reach(Place.AFTER_COMMIT)
            return
        if self._failure.states == 0:
            self._failure.reach(Place.AFTER_OUTPUTS)
        if self._failure.states == 1 and self._failure.place is Place.MIDDLE_OF_STATE:
            self._inner.flush()
            self._failure.reach(Place.MIDDLE_OF_STATE)
        self._failure.states += 1


class _Member(ForwardingConsumer):
    def __init__(self, inner: Consumer, failure: Failure) -> None:
        super().__init__(inner)
        self._failure = failure

    def poll(self, timeout_s: float) -> Poll:
        poll = self._inner.poll(timeout_s)
        self._failure.restoring = bool(poll.assigned)
        return poll

    def commit(self, positions: Sequence[Position]) -> None:
        # After an assignment the first commit is that of the positions that were found: the restore ends with it.
        self._failure.reach(Place.AFTER_RESTORE if self._failure.restoring else Place.BEFORE_COMMIT)
        self._inner.commit(positions)
        self._failure.restoring, self._failure.states = False, 0


def main(name: str, place: str, times: str, number: str) -> None:
    """Runs the stage in this process."""
    set_up(LogFormat.TEXT, LogLevel.INFO)
    chosen = load(Path("sensorline.toml"), os.environ)
    launch = Launch((name,))
    stages = build_stages(chosen.settings, launch)
    failure = Failure(Place[place], int(times), signal.Signals[number])
    connect = connector(chosen)
    with connected(connect) as broker:
        require_topics(broker, chosen.settings, launch, stages)
    with stop_on_signals() as stop:
        run_stages(chosen.settings, launch, stages, lambda: FailingBroker(connect(), failure), stop)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A member of a group in a process of its own, so that a test can freeze or kill it. It does what it is told, line by line.

Commands on its standard input, one answer line of JSON for each on its standard output:
`join N` (until N partitions are assigned), `poll N` (N times), `read N` (until N records have come; answers the positions after them),
`commit` (the positions after what was read; answers the name of the error, or null).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.brokers.kafka import KafkaBroker, KafkaOptions
from pipeline.brokers.protocol import Consumer, Position
from pipeline.clock import SystemClock
from pipeline.errors import Transient

_ROOT = Path(__file__).parents[2]


class MemberProcess:
    """The test's end of such a process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def does(self, command: str) -> Any:
        """Tells it something and returns its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def freeze(self) -> None:
        """Stops it; it sends no heartbeat any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Ends `freeze`."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends it without a chance to say goodbye."""
        self._process.kill()
        self._process.wait()


@contextmanager
def member_process(address: str, topic: str, group: str) -> Iterator[MemberProcess]:
    """A process with one member, until the end of the block at most."""
    command = [sys.executable, "-m", "tests.support.kafka_member", address, topic, group]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            yield MemberProcess(process)
        finally:
            process.kill()


class _Member:
    """The process's end: what was read, and up to where."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._assigned: set[int] = set()
        self._values: list[str] = []
        self._positions: dict[int, int] = {}

    def obey(self, words: Sequence[str]) -> Any:
        match words:
            case ["join", number]:
                while len(self._assigned) < int(number):
                    self._poll()
                return sorted(self._assigned)
            case ["poll", number]:
                for _ in range(int(number)):
                    self._poll()
                return sorted(self._assigned)
            case ["read", number]:
                while len(self._values) < int(number):
                    self._poll()
                return self._values
            case ["commit"]:
                try:
                    self._consumer.commit([Position(partition, offset) for partition, offset in self._positions.items()])
                except Transient as error:
                    return type(error).__name__
                return None
        raise ValueError(words)

    def _poll(self) -> None:
        poll = self._consumer.poll(1.0)
        self._assigned |= {assignment.partition for assignment in poll.assigned}
        self._values += [(record.value or b"").decode() for record in poll.records]
        self._positions |= {record.partition: record.offset + 1 for record in poll.records}


def main(address: str, topic: str, group: str) -> None:
    """Obeys until standard input ends."""
    options = KafkaOptions(session_timeout_ms=1_500, heartbeat_interval_ms=300)
    member = _Member(KafkaBroker((address,), options, SystemClock()).consumer(topic, group, max_records=10))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(member.obey(line.split())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Plays a case for one contender on a real Kafka: topics of its own, its processes, the records at their times, what came of it."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import msgspec

from pipeline.brokers.protocol import Broker, Message, Publisher, TopicSettings
from pipeline.brokers.reading import read_now
from pipeline.brokers.url import open_broker, parse_url
from pipeline.clock import SystemClock
from tests.bench.peers.cases import Case, Fault
from tests.bench.peers.contenders import PARTITIONS, Contender
from tests.bench.peers.task import GAP_MS, Task
from tests.bench.peers.windows import Came, Seen, Sent, Window, sessions
from tests.bench.peers.work import ProcessGone, Worker
from tests.support.commands import PAUSE_S

STARTS_WITHIN_S = 90
LARGE = 4_194_304  # bytes of a message: a window of 10,000 readings in JSON
WARM = "warm"
WARM_AGES_S = (7_200, 3_600)

_numbers = count()


def body(sent: Sent) -> bytes:
    """A reading as sensorline takes it, or what the case has in its place."""
    if sent.body is not None:
        return sent.body
    return msgspec.json.encode({"device": sent.device, "time": sent.time_ms, "values": {"value": sent.time_ms % 1000 / 10}})


@dataclass(frozen=True)
class Log:
    """The topics of one task, and this process's connection to them."""

    task: Task
    broker: Broker
    publisher: Publisher

    @classmethod
    def create(cls, address: str, stack: ExitStack, hooks: bool) -> Log:
        """New topics under a name of their own."""
        broker = open_broker(parse_url(f"kafka://{address}", Path()), SystemClock())
        stack.callback(broker.close)
        name = f"task-{next(_numbers)}"
        task = Task(address, f"{name}.readings", f"{name}.windows", f"{name}.late", name, hooks)
        for topic in (task.readings, task.windows, task.late):
            broker.create_topic(TopicSettings(topic, PARTITIONS, max_message_bytes=LARGE))
        return cls(task, broker, broker.publisher())

    def beside(self) -> Log:
        """The same readings, with a group and outputs of its own."""
        name = f"task-{next(_numbers)}"
        task = replace(self.task, windows=f"{name}.windows", late=f"{name}.late", group=name)
        for topic in (task.windows, task.late):
            self.broker.create_topic(TopicSettings(topic, PARTITIONS, max_message_bytes=LARGE))
        return replace(self, task=task)

    def publish(self, records: Sequence[Sent]) -> None:
        """Returns when the log has them."""
        for sent in records:
            self.publisher.send(Message(self.task.readings, sent.device.encode(), body(sent), partition=sent.partition))
        self.publisher.flush()

    def count(self, topic: str) -> int:
        """Records ever published to it."""
        return sum(self.broker.end_offsets(topic).values())

    def windows(self, contender: Contender, begin_ms: int) -> list[Came]:
        """All windows now, in the order of their publication."""
        records = [record for record in read_now(self.broker, self.task.windows, range(PARTITIONS)) if record.value]
        found = [Came(contender.decode(record.value or b""), (record.timestamp - begin_ms) / 1000) for record in records]
        return sorted(found, key=lambda came: came.at_s)


@dataclass
class Play:
    """One case for one contender; `begin_ms` is when its records begin."""

    contender: Contender
    case: Case
    log: Log
    folder: Path
    begin_ms: int = 0

    def run(self, stack: ExitStack) -> tuple[list[Sent], Seen]:
        """The records and what came of them. Raises `ProcessGone` for a contender that does not even start."""
        worker = stack.enter_context(self._new_worker("first", self.log).running())
        self._warm_up(worker)
        before_s = worker.cpu_s()
        self.begin_ms = SystemClock().now_ms()
        records = sorted(self.case.records(self.begin_ms), key=lambda sent: sent.at_s)
        self._publish_all(records, worker, stack)
        self._await(self.log, records, worker)
        used_s = worker.cpu_s() - before_s if worker.alive else 0.0
        came = self.log.windows(self.contender, self.begin_ms)
        worker.kill()
        again = self._again(records) if self.case.again else []
        return records, Seen(came, self.log.count(self.log.task.late), worker.exits, used_s, again)

    def _new_worker(self, name: str, log: Log) -> Worker:
        folder = self.folder / name
        folder.mkdir(parents=True)
        return Worker(folder, self.contender.prepare(log.task, folder))

    def _warm_up(self, worker: Worker) -> None:
        """Two old readings of a device that is not in the case: the first one's window shows that the process is at work."""
        now_ms = SystemClock().now_ms()
        self.log.publish([Sent(0, 0, WARM, now_ms - 1000 * age_s) for age_s in WARM_AGES_S])
        await_windows(self.log, 1, worker)

    def _publish_all(self, records: Sequence[Sent], worker: Worker, stack: ExitStack) -> None:
        """At their times; meanwhile what happens to the processes happens."""
        begin = time.monotonic()
        faults = list(self.case.faults)
        second = worker
        done = 0
        while done < len(records) or faults:
            now_s = time.monotonic() - begin
            due = bisect_right(records, now_s, done, key=lambda sent: sent.at_s)
            if due > done:
                self.log.publish(records[done:due])
                done = due
            while faults and faults[0][0] <= now_s:
                match faults.pop(0)[1]:
                    case Fault.KILL:
                        worker.kill_and_restart()
                    case Fault.JOIN:
                        second = stack.enter_context(self._new_worker("second", self.log).running())
                    case Fault.KILL_SECOND:
                        second.kill()
            worker.supervise()
            time.sleep(PAUSE_S)

    def _await(self, log: Log, records: Sequence[Sent], worker: Worker) -> None:
        """Until the good windows are there and a little longer, or for as long as the case waits."""
        expected = set(sessions(records, GAP_MS))
        deadline = time.monotonic() + self.case.wait_s
        counted = -1
        while time.monotonic() < deadline:
            worker.supervise()
            if (number := log.count(log.task.windows)) != counted:
                counted = number
                if expected <= {came.window for came in log.windows(self.contender, self.begin_ms)}:
                    deadline = min(deadline, time.monotonic() + self.case.settle_s)
            time.sleep(10 * PAUSE_S)

    def _again(self, records: Sequence[Sent]) -> list[Window]:
        """The windows of a new process on the log as it is now."""
        log = self.log.beside()
        with self._new_worker("again", log).running() as worker:
            await_windows(log, 1, worker)
            self._await(log, records, worker)
        return [came.window for came in log.windows(self.contender, self.begin_ms)]


def await_windows(log: Log, number: int, worker: Worker) -> None:
    """Until so many were published. Raises `ProcessGone` when none comes for long."""
    deadline, before = time.monotonic() + STARTS_WITHIN_S, 0
    while (found := log.count(log.task.windows)) < number:
        if found > before:
            deadline, before = time.monotonic() + STARTS_WITHIN_S, found
        if time.monotonic() > deadline or not worker.alive:
            raise ProcessGone(f"{found} of {number} windows; {worker.last_words}")
        time.sleep(PAUSE_S)


def play(contender: Contender, case: Case, address: str, folder: Path) -> str:
    """What is to be said of it; also said on standard error, as a row takes minutes."""
    with ExitStack() as stack:
        log = Log.create(address, stack, case.hooks)
        try:
            records, seen = Play(contender, case, log, folder / f"{case.name}-{contender.name}").run(stack)
            verdict = case.verdict(records, seen)
        except ProcessGone as gone:
            verdict = f"did not start: {gone}"
    print(f"{case.name}, {contender.name}: {verdict}", file=sys.stderr)  # noqa: T201
    return verdict

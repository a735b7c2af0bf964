"""Whatever is done to a memory log and to a SQLite log, both say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Broker, Consumer, Message, Position, TopicSettings
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock
from pipeline.errors import SensorlineError

Step = tuple[str, int, int]
SMALL = st.integers(0, 3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish and commit", "roll back", "poll", "commit", "seek", "rejoin", "compact", "recreate", "wait"]),
        SMALL,
        SMALL,
    ),
    max_size=40,
)


class Undo(Exception):
    """Ends a transaction."""


@dataclass
class Driver:
    """Does steps to one log and writes down what it says."""

    broker: Broker
    compact: Callable[[str], None]
    clock: ManualClock
    members: list[Consumer]
    said: list[object]

    def take(self, number: int, step: Step) -> None:
        what, first, second = step
        try:
            if what in ("poll", "commit", "seek", "rejoin"):
                self.use_member(number, what, first % 2, second)
            else:
                self.use_log(number, what, first, second)
        except (SensorlineError, ValueError) as error:
            self.said.append(type(error))
        self.said.append((self.broker.start_offsets("t"), self.broker.end_offsets("t")))

    def use_member(self, number: int, what: str, which: int, offset: int) -> None:
        member = self.members[which]
        match what:
            case "poll":
                self.said.append(member.poll(0.0))
            case "commit":
                member.commit([Position(offset % 2, number, str(number))])
            case "seek":
                member.seek(offset % 2, offset)
                self.said.append(member.position(offset % 2))
            case "rejoin":
                member.close()
                self.members[which] = self.broker.consumer("t", "group", max_records=3)

    def use_log(self, number: int, what: str, first: int, second: int) -> None:
        match what:
            case "publish":
                self.publish(number, [first], second)
            case "publish and commit":
                with self.broker.transaction():
                    self.publish(number, [first, second], second)
                    self.members[first % 2].commit([Position(second % 2, number, "in a transaction")])
            case "roll back":
                with suppress(Undo), self.broker.transaction():
                    self.publish(number, [first], second)
                    raise Undo
            case "compact":
                self.clock.advance(7_200_000)  # by then SQLite too gives null values up
                self.compact("t")
            case "recreate":
                self.broker.delete_topic("t")
                self.broker.create_topic(TopicSettings("t", 2, compacted=bool(second % 2)))
            case "wait":
                self.clock.advance((first - 1) * 1_000)

    def publish(self, number: int, keys: Sequence[int], partition: int) -> None:
        publisher = self.broker.publisher()
        for key in keys:
            publisher.send(
                Message("t", b"%d" % key, b"%d" % number if number % 3 else None, partition=partition % 3 if partition else None)
            )
        publisher.flush()


def drive(broker: Broker, compact: Callable[[str], None], clock: ManualClock, steps: Sequence[Step]) -> list[object]:
    broker.create_topic(TopicSettings("t", 2, compacted=True))
    members: list[Consumer] = [broker.consumer("t", "group", max_records=3) for _ in range(2)]
    driver = Driver(broker, compact, clock, members, [])
    for number, step in enumerate(steps):
        driver.take(number, step)
    broker.close()
    return driver.said


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_memory_and_sqlite_say_the_same(steps: list[Step]) -> None:
    clock = ManualClock(1_000_000)
    log = MemoryLog(clock)
    in_memory = drive(MemoryBroker(log), log.compact, clock, steps)
    with TemporaryDirectory() as folder:
        clock = ManualClock(1_000_000)
        broker = SqliteBroker(Path(folder) / "log.db", clock)
        in_sqlite = drive(broker, broker.compact, clock, steps)
    assert in_sqlite == in_memory

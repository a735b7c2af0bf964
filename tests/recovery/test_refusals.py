"""What is stored of a partition and does not fit is refused, and the refusal names the command that resolves it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
import pytest

from consumers.takeover import take_over
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Position, TopicSettings
from pipeline.clock import ManualClock
from pipeline.core.keyed_state import NOBODY
from pipeline.core.policy import Keep, Overflow, Tumbling, WindowPolicy
from pipeline.errors import SensorlineError, StateRefused
from pipeline.records import Reading
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.protocol import Accept
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder, encode_reading
from pipeline.wire.windows import decode_window, window_times

OPTIONS = SessionOptions("pump.window")
STATE = OPTIONS.state_topic("readings")
OUTSIDE = (
    r"partition 0 is committed at %d, but its log holds offsets %d to %d \(the topic was created anew, or retention was faster\);"
    r" --from-log-start begins at the start of the log, without what was open$"
)


class House:
    """A log with four readings of one device, whose window is open."""

    def __init__(self) -> None:
        self.log = MemoryLog(ManualClock(1_000_000))
        self.broker = MemoryBroker(self.log)
        self.create("readings", "windows", "rejected")
        self.broker.create_topic(TopicSettings(STATE, 1, compacted=True))
        self.publish(range(4))

    def create(self, *topics: str, partitions: int = 1) -> None:
        for topic in topics:
            self.broker.create_topic(TopicSettings(topic, partitions))

    def publish(self, times: Sequence[int]) -> None:
        publisher = self.broker.publisher()
        for time in times:
            publisher.send(Message("readings", b"d", encode_reading(Reading("d", time, {"a": 1.0})), (), 0))
        publisher.flush()

    def run(self, size_ms: int = 10_000, accept: Accept = Accept.NOTHING, finish: Finish = Finish.UNTIL_END) -> None:
        """A windower that reads to the end and, unless told otherwise, keeps open what is open."""
        options = msgspec.structs.replace(OPTIONS, accept=accept)
        Runner(lambda: MemoryBroker(self.log), self.stage(size_ms), options, ManualClock(), finish).run(threading.Event())

    def stage(self, size_ms: int = 10_000, sensors: Sequence[str] = ("a",)) -> WindowStage:
        policy = WindowPolicy(Tumbling(size_ms), 0, 60_000, 256, Overflow.SPLIT, Keep.LAST)
        return WindowStage(WindowTopics("readings", "windows", "rejected"), policy, ReadingDecoder(sensors), None)

    def take_over(self, accept: Accept, size_ms: int = 10_000) -> None:
        take_over(lambda: MemoryBroker(self.log), self.stage(size_ms), OPTIONS.group, accept)

    def windows(self) -> list[tuple[str, tuple[int, ...]]]:
        records = self.log.read("windows", 0, 0, 1000)
        windows = [decode_window(record.value or b"") for record in records]
        return [(window.spec, window_times(window)) for window in windows]

    def keys(self) -> int:
        """State records that are left after compaction."""
        self.log.compact(STATE)
        return len(self.log.read(STATE, 0, 0, 1000))

    def commit(self, position: Position) -> None:
        """What somebody's tool does to the group."""
        tool = MemoryBroker(self.log)
        consumer = tool.consumer("readings", OPTIONS.group)
        consumer.poll(0.0)
        consumer.commit([position])
        tool.close()

    def committed(self) -> Position | None:
        tool = MemoryBroker(self.log)
        (assignment,) = tool.consumer("readings", OPTIONS.group).poll(0.0).assigned
        tool.close()
        return assignment.committed


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("times", [1, 2], ids=["once", "and again"])
def test_state_without_a_committed_position(house: House, times: int) -> None:
    publisher = house.broker.publisher()
    publisher.send(Message(STATE, b"key", b"value", (), 0))
    publisher.flush()
    for _ in range(times):
        with pytest.raises(StateRefused, match=r"partition 0 has state but no committed position .*`sensorline state reset`"):
            house.run()
    committed = house.committed()
    assert committed is not None
    assert committed == Position(0, 0, NOBODY), "the position says that nobody has begun"


def test_a_position_that_nobody_has_begun_from_is_no_position_where_there_is_no_state(house: House) -> None:
    house.commit(Position(0, 0, NOBODY))
    house.run()
    committed = house.committed()
    assert committed is not None
    assert (committed.offset, committed.metadata != NOBODY) == (4, True)


@pytest.mark.parametrize("metadata", ["", "by hand", "{}", '{"writer":""}'])
def test_a_position_that_we_did_not_write(house: House, metadata: str) -> None:
    house.run()
    house.commit(Position(0, 2, metadata))
    with pytest.raises(
        StateRefused, match=r"partition 0: the committed position 2 was not written by sensorline .*`sensorline state reset`"
    ):
        house.run()


def test_a_position_of_another_window_spec(house: House) -> None:
    house.run()
    with pytest.raises(StateRefused, match=r"was made by the window spec \w+, the configuration is \w+; `sensorline state migrate`"):
        house.run(size_ms=20_000)


def test_a_topic_that_has_got_more_partitions(house: House) -> None:
    house.run()
    position = house.committed()
    assert position is not None
    house.broker.delete_topic("readings")
    house.create("readings", partitions=2)
    house.publish(range(4))
    house.commit(position)
    with pytest.raises(StateRefused, match=r"had 1 partitions when it was committed and has 2 now.*--accept-repartition"):
        house.run()


def test_a_position_beyond_the_end_of_the_log(house: House) -> None:
    house.run()
    position = house.committed()
    assert position is not None
    house.broker.delete_topic("readings")
    house.create("readings")
    house.publish(range(3))
    house.commit(position)
    with pytest.raises(StateRefused, match=OUTSIDE % (4, 0, 3)):
        house.run()


def test_a_position_before_the_start_of_the_log(house: House) -> None:
    """Here compaction takes the part of retention, which the memory broker does not keep."""
    house.run()
    position = house.committed()
    assert position is not None
    house.broker.delete_topic("readings")
    house.broker.create_topic(TopicSettings("readings", 1, compacted=True))
    house.publish(range(6))
    house.log.compact("readings")
    house.commit(position)
    with pytest.raises(StateRefused, match=OUTSIDE % (4, 5, 6)):
        house.run()


def test_a_position_at_the_end_of_the_log_is_in_it(house: House) -> None:
    house.run()
    house.run()
    position = house.committed()
    assert position is not None
    assert position.offset == 4


def test_from_log_start_begins_at_the_start_without_what_was_open(house: House) -> None:
    house.run()
    position = house.committed()
    assert position is not None
    house.broker.delete_topic("readings")
    house.create("readings")
    house.publish(range(100, 103))
    house.commit(position)
    house.run(accept=Accept.LOG_START, finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(100, 101, 102)]
    assert house.keys() == 0


def test_from_log_start_changes_nothing_where_the_position_is_in_the_log(house: House) -> None:
    house.run()
    house.publish([4])
    house.run(accept=Accept.LOG_START, finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(0, 1, 2, 3, 4)]


@pytest.mark.parametrize("metadata", ["", "by hand"])
def test_a_reset_begins_at_the_start_whatever_was_committed(house: House, metadata: str) -> None:
    house.run()
    house.commit(Position(0, 2, metadata))
    house.take_over(Accept.RESET)
    assert house.keys() == 0
    house.run(finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(0, 1, 2, 3)]


def test_a_reset_resolves_state_without_a_committed_position(house: House) -> None:
    publisher = house.broker.publisher()
    publisher.send(Message(STATE, msgspec.msgpack.encode(("d", "somebody")), msgspec.msgpack.encode((9, None)), (), 0))
    publisher.flush()
    house.take_over(Accept.RESET)
    house.run(finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(0, 1, 2, 3)]


def test_a_migration_takes_the_open_steps_into_windows_of_the_new_spec(house: House) -> None:
    house.run()
    house.take_over(Accept.SPEC, size_ms=2)
    house.publish([4])
    house.run(size_ms=2, finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(0, 1), (2, 3), (4,)]
    assert len({spec for spec, _ in house.windows()}) == 1


def test_steps_of_other_sensors_cannot_be_migrated(house: House) -> None:
    house.run()
    stage = house.stage(sensors=("a", "b"))
    with pytest.raises(StateRefused, match=r"device 'd' has open steps of other sensors.*`sensorline state reset`"):
        take_over(lambda: MemoryBroker(house.log), stage, OPTIONS.group, Accept.SPEC)


def test_more_partitions_are_accepted_and_what_was_open_closes_when_idle(house: House) -> None:
    house.run()
    house.broker.grow_topic("readings", 2)
    house.broker.grow_topic(STATE, 2)
    house.run(accept=Accept.REPARTITION)
    house.run()
    house.run(finish=Finish.DRAIN)
    assert [times for _, times in house.windows()] == [(0, 1, 2, 3)]


def test_nothing_is_taken_over_from_a_member_that_runs(house: House) -> None:
    other = MemoryBroker(house.log)
    other.consumer("readings", OPTIONS.group).poll(0.0)
    clock = ManualClock()
    with pytest.raises(SensorlineError, match="has other members"):
        take_over(lambda: MemoryBroker(house.log), house.stage(), OPTIONS.group, Accept.RESET, _Impatient(clock))


class _Impatient:
    """A clock by which every wait is over at once."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic_s(self) -> float:
        self._clock.advance(60_000)
        return self._clock.monotonic_s()

"""Reading what is in a log now, or in a part of it: only that, and all of that."""

from __future__ import annotations

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Consumer, Message, Poll, Record
from pipeline.brokers.reading import read_between, read_now
from pipeline.clock import ManualClock
from tests.support.broker_logs import LogUnderTest, publish, texts
from tests.support.forwarding import ForwardingBroker, ForwardingConsumer


def fill(log: LogUnderTest) -> str:
    """Three partitions of "<partition>.<offset>", the last one empty."""
    topic = log.topic(partitions=3)
    publish(
        log.connect(), *[Message(topic, b"key", b"%d.%d" % place, partition=place[0]) for place in [(0, 0), (1, 0), (1, 1), (0, 1), (0, 2)]]
    )
    return topic


def test_of_each_partition_all_that_is_in_it_comes_in_order(log: LogUnderTest) -> None:
    topic = fill(log)
    found = list(read_now(log.connect(), topic, [0, 1, 2]))
    assert texts([record for record in found if record.partition == 0]) == ["0.0", "0.1", "0.2"]
    assert texts([record for record in found if record.partition == 1]) == ["1.0", "1.1"]
    assert len(found) == 5


def test_of_other_partitions_nothing_comes(log: LogUnderTest) -> None:
    topic = fill(log)
    assert texts(list(read_now(log.connect(), topic, [1, 2]))) == ["1.0", "1.1"]
    assert list(read_now(log.connect(), topic, [2])) == []


def test_of_a_part_only_its_offsets_come(log: LogUnderTest) -> None:
    topic = fill(log)
    assert texts(list(read_between(log.connect(), topic, 0, 1, 3))) == ["0.1", "0.2"]
    assert texts(list(read_between(log.connect(), topic, 0, 0, 99))) == ["0.0", "0.1", "0.2"]
    assert list(read_between(log.connect(), topic, 0, 3, 3)) == []


class _Watched(ForwardingBroker):
    """Notes what its consumers bring."""

    def __init__(self, inner: MemoryBroker) -> None:
        super().__init__(inner)
        self.brought: list[Record] = []

    def consumer(self, topic: str, group: str | None, max_records: int = 2000) -> Consumer:
        return _WatchedConsumer(super().consumer(topic, group, max_records), self.brought)


class _WatchedConsumer(ForwardingConsumer):
    def __init__(self, inner: Consumer, brought: list[Record]) -> None:
        super().__init__(inner)
        self._brought = brought

    def poll(self, timeout_s: float) -> Poll:
        poll = super().poll(timeout_s)
        self._brought += poll.records
        return poll


def test_other_partitions_are_not_even_read() -> None:
    """A member that takes one of many partitions over must not wait until it has read the state of all."""
    memory = MemoryLog(ManualClock())
    log = LogUnderTest("memory", lambda: MemoryBroker(memory), memory.compact, None)
    topic, broker = fill(log), _Watched(MemoryBroker(memory))
    assert list(read_now(broker, topic, [1])) == broker.brought
    assert len(broker.brought) == 2

"""What the memory log has beyond the contract: members die when a test says so, and compaction comes when it says so."""

from __future__ import annotations

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Assignment, Message, Poll, Position, TopicSettings
from pipeline.clock import ManualClock
from pipeline.errors import LostPartitions
from tests.support.broker_logs import join, publish, read, texts, values


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(ManualClock())


@pytest.fixture
def broker(log: MemoryLog) -> MemoryBroker:
    opened = MemoryBroker(log)
    opened.create_topic(TopicSettings("t", 1))
    return opened


def test_logs_do_not_share_anything(broker: MemoryBroker) -> None:
    assert list(broker.topics()) == ["t"]
    assert MemoryBroker(MemoryLog(ManualClock())).topics() == {}


def test_a_dead_members_partition_goes_to_the_next(log: MemoryLog, broker: MemoryBroker) -> None:
    dead = broker.consumer("t", "group")
    join(dead)
    dead.commit([Position(0, 0, "last words")])
    log.evict("group")
    assert MemoryBroker(log).consumer("t", "group").poll(0.0).assigned == (Assignment(0, Position(0, 0, "last words")),)


def test_a_member_that_was_thought_dead_cannot_commit_and_learns_what_it_lost(log: MemoryLog, broker: MemoryBroker) -> None:
    publish(broker, *values("t", "a", "b"))
    zombie = broker.consumer("t", "group", max_records=1)
    read(zombie, 1)
    log.evict("group")
    other = MemoryBroker(log).consumer("t", "group")
    join(other)
    with pytest.raises(LostPartitions):
        zombie.commit([Position(0, 1)])
    assert zombie.poll(0.0) == Poll(revoked=(0,))
    assert zombie.poll(0.0) == Poll()
    assert texts(read(other, 2)) == ["a", "b"]


def test_a_zombies_transaction_leaves_nothing(log: MemoryLog, broker: MemoryBroker) -> None:
    zombie, publisher = broker.consumer("t", "group"), broker.publisher()
    join(zombie)

    def write() -> None:
        with broker.transaction():
            publisher.send(Message("t", b"key", b"value"))
            publisher.flush()
            zombie.commit([Position(0, 0)])
            log.evict("group")

    with pytest.raises(LostPartitions):
        write()
    assert broker.end_offsets("t") == {0: 0}


def test_eviction_concerns_one_group_only(log: MemoryLog, broker: MemoryBroker) -> None:
    member = broker.consumer("t", "group")
    join(member)
    log.evict("another group")
    member.commit([Position(0, 0)])
    assert member.poll(0.0) == Poll()


def test_a_member_that_was_thought_dead_gets_its_partition_back_where_nobody_wants_it(log: MemoryLog, broker: MemoryBroker) -> None:
    member = broker.consumer("t", "group")
    join(member)
    log.evict("group")
    assert member.poll(0.0) == Poll(revoked=(0,), assigned=(Assignment(0, None),))


def test_a_reader_in_the_middle_of_a_topic_goes_on_after_compaction(log: MemoryLog, broker: MemoryBroker) -> None:
    broker.create_topic(TopicSettings("compacted", 1, compacted=True))
    publish(broker, *(Message("compacted", key, b"1") for key in (b"a", b"b", b"a", b"c")))
    reader = broker.consumer("compacted", None, max_records=1)
    read(reader, 1)
    log.compact("compacted")
    assert [(record.key, record.offset) for record in read(reader, 3)] == [(b"b", 1), (b"a", 2), (b"c", 3)]


def test_what_is_taken_out_of_a_topic_is_gone_and_its_readers_go_on(log: MemoryLog, broker: MemoryBroker) -> None:
    publish(broker, *values("t", "a", "b"))
    reader = broker.consumer("t", None)
    read(reader, 2)
    assert [record.value for record in log.take("t")] == [b"a", b"b"]
    assert (broker.start_offsets("t"), broker.end_offsets("t")) == ({0: 2}, {0: 2})
    publish(broker, *values("t", "c"))
    assert [(record.value, record.offset) for record in read(reader, 1)] == [(b"c", 2)]

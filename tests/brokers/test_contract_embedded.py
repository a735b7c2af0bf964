"""What the brokers that sensorline keeps itself, memory and SQLite, promise beyond what all brokers do."""

from __future__ import annotations

import pytest

from pipeline.brokers.protocol import Assignment, Message, Poll, Position, TopicSettings
from pipeline.errors import LostPartitions, MissingTopic
from tests.support.broker_logs import (
    LogUnderTest,
    assigned_by,
    join,
    polls_until,
    publish,
    read,
    records_of,
    texts,
    unique_name,
    values,
    woken_by,
)

pytestmark = pytest.mark.parametrize("log", ["memory", "sqlite"], indirect=True)


def test_records_are_stamped_with_the_later_of_now_and_the_last_in_the_partition(log: LogUnderTest) -> None:
    assert log.clock is not None
    topic, start = log.topic(partitions=2), log.clock.now_ms()
    for step_ms, partition in [(0, 0), (500, 0), (-2_000, 0), (0, 1), (1_600, 0)]:
        log.clock.advance(step_ms)
        publish(log.connect(), Message(topic, b"key", b"value", partition=partition))
    records = read(log.connect().consumer(topic, None), 5)
    assert [record.timestamp - start for record in records if record.partition == 0] == [0, 500, 500, 500]
    assert [record.timestamp - start for record in records if record.partition == 1] == [-1_500]


def test_where_the_client_stamps_a_clock_set_back_is_seen(log: LogUnderTest) -> None:
    assert log.clock is not None
    broker, name = log.connect(), unique_name("topic")
    broker.create_topic(TopicSettings(name, 1, log_append_time=False))
    start = log.clock.now_ms()
    publish(broker, *values(name, "a"))
    log.clock.advance(-2_000)
    publish(broker, *values(name, "b"))
    assert [record.timestamp - start for record in read(broker.consumer(name, None), 2)] == [0, -2_000]


def test_assignments_come_alone_so_that_a_seek_is_in_time(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    publish(log.connect(), *values(topic, "a", "b", partition=0))
    consumer = log.connect().consumer(topic, "group")
    assert consumer.poll(0.0) == Poll(assigned=(Assignment(0, None), Assignment(1, None)))
    consumer.seek(0, 1)
    assert texts(list(consumer.poll(0.0).records)) == ["b"]


def test_a_second_member_waits_reads_nothing_and_takes_over_when_the_first_leaves(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    first, second = log.connect().consumer(topic, "group"), log.connect().consumer(topic, "group")
    join(first, 2)
    publish(log.connect(), *values(topic, "a", partition=0), *values(topic, "b", partition=1))
    assert second.poll(0.05) == Poll()
    assert sorted(texts(read(first, 2))) == ["a", "b"]
    first.commit([Position(0, 1)])
    assert second.poll(0.05) == Poll()
    first.close()
    polls = polls_until(second, lambda polls: len(records_of(polls)) >= 1)
    assert assigned_by(polls) == [Assignment(0, Position(0, 1)), Assignment(1, None)]
    assert texts(records_of(polls)) == ["b"]
    assert second.poll(0.0) == Poll()


def test_a_waiting_member_wakes_when_the_first_leaves(log: LogUnderTest) -> None:
    topic = log.topic()
    first, second = log.connect().consumer(topic, "group"), log.connect().consumer(topic, "group")
    join(first)
    assert woken_by(first.close, second) == Poll(assigned=(Assignment(0, None),))


def test_closing_the_broker_makes_its_members_leave(log: LogUnderTest) -> None:
    topic, broker = log.topic(), log.connect()
    join(broker.consumer(topic, "group"))
    broker.close()
    assert log.connect().consumer(topic, "group").poll(0.0) == Poll(assigned=(Assignment(0, None),))


def test_a_partition_that_was_never_assigned_can_be_neither_committed_nor_read(log: LogUnderTest) -> None:
    consumer = log.connect().consumer(log.topic(), "group")
    with pytest.raises(LostPartitions):
        consumer.commit([Position(0, 0)])
    with pytest.raises(ValueError, match="not assigned"):
        consumer.position(0)
    with pytest.raises(ValueError, match="not assigned"):
        consumer.seek(0, 1)


def test_a_position_that_cannot_be_is_refused(log: LogUnderTest) -> None:
    consumer = log.connect().consumer(log.topic(), "group")
    join(consumer)
    for position in (Position(0, -1), Position(0, 0, "x" * 4097)):
        with pytest.raises(ValueError, match="4096"):
            consumer.commit([position])


@pytest.mark.parametrize(
    "message",
    [Message("", None, None), Message("", b"key", b"value", partition=3), Message("", b"key", b"value", partition=-1)],
    ids=["neither key nor value", "partition too high", "partition below zero"],
)
def test_a_message_that_no_topic_takes_is_refused(log: LogUnderTest, message: Message) -> None:
    topic = log.topic(partitions=3)
    with pytest.raises(ValueError, match=topic):
        log.connect().publisher().send(Message(topic, message.key, message.value, partition=message.partition))


def test_a_compacted_topic_takes_no_record_without_a_key(log: LogUnderTest) -> None:
    topic = log.topic(compacted=True)
    with pytest.raises(ValueError, match="compacted"):
        log.connect().publisher().send(Message(topic, None, b"value"))


def test_no_partition_starves_another(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    publish(log.connect(), *values(topic, *("long" for _ in range(40)), partition=0), *values(topic, "short", partition=1))
    consumer = log.connect().consumer(topic, None, max_records=10)
    join(consumer, 2)
    assert "short" in texts([*consumer.poll(0.0).records, *consumer.poll(0.0).records])


def test_a_transaction_shows_nothing_before_it_ends(log: LogUnderTest) -> None:
    source, target = log.topic(), log.topic()
    broker, other = log.connect(), log.connect()
    consumer, publisher = broker.consumer(source, "group"), broker.publisher()
    join(consumer)
    with broker.transaction():
        publisher.send(Message(target, b"key", b"out"))
        publisher.flush()
        consumer.commit([Position(0, 0, "done")])
        assert other.end_offsets(target) == {0: 0}
    assert other.end_offsets(target) == {0: 1}


def test_a_transaction_that_fails_leaves_nothing(log: LogUnderTest) -> None:
    source, target = log.topic(), log.topic()
    broker = log.connect()
    consumer, publisher = broker.consumer(source, "group"), broker.publisher()
    join(consumer)
    consumer.commit([Position(0, 0, "before")])

    def fail_after_writing() -> None:
        with broker.transaction():
            publisher.send(Message(target, b"key", b"out"))
            publisher.flush()
            consumer.commit([Position(0, 0, "never")])
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_after_writing()
    consumer.close()
    assert log.connect().end_offsets(target) == {0: 0}
    assert join(log.connect().consumer(source, "group")) == [Assignment(0, Position(0, 0, "before"))]
    publish(broker, *values(target, "later"))
    assert texts(read(log.connect().consumer(target, None), 1)) == ["later"]


def test_a_transaction_inside_another_is_a_part_of_it(log: LogUnderTest) -> None:
    topic, broker, other = log.topic(), log.connect(), log.connect()
    with broker.transaction():
        with broker.transaction():
            publish(broker, *values(topic, "a"))
        assert other.end_offsets(topic) == {0: 0}
    assert other.end_offsets(topic) == {0: 1}


def test_compaction_leaves_one_record_per_key_at_its_offset_and_no_deleted_key(log: LogUnderTest) -> None:
    assert log.clock is not None
    topic = log.topic(compacted=True)
    publish(log.connect(), *(Message(topic, key, value) for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)]))
    log.clock.advance(4 * 3_600_000)
    log.compact(topic)
    reader = log.connect().consumer(topic, None)
    polls = polls_until(reader, lambda polls: bool(assigned_by(polls)) and reader.position(0) == 4)
    assert [(record.offset, record.key, record.value) for record in records_of(polls)] == [(2, b"a", b"2")]
    publish(log.connect(), Message(topic, b"c", b"1"))
    assert [record.offset for record in read(reader, 1)] == [4]


def test_only_a_compacted_topic_can_be_compacted(log: LogUnderTest) -> None:
    topic = log.topic()
    with pytest.raises(ValueError, match="not compacted"):
        log.compact(topic)
    with pytest.raises(MissingTopic):
        log.compact("not-there")


def test_who_uses_a_topic_while_it_is_deleted_is_told(log: LogUnderTest) -> None:
    topic, broker = log.topic(), log.connect()
    consumer, publisher = broker.consumer(topic, "group"), broker.publisher()
    join(consumer)
    publisher.send(Message(topic, b"key", b"value"))
    log.connect().delete_topic(topic)
    with pytest.raises(MissingTopic, match=topic):
        publisher.flush()
    with pytest.raises(MissingTopic, match=topic):
        consumer.poll(0.0)
    with pytest.raises(MissingTopic, match=topic):
        consumer.commit([Position(0, 0)])


def test_a_topic_created_again_is_another_one(log: LogUnderTest) -> None:
    topic, broker = log.topic(), log.connect()
    publish(broker, *values(topic, "old"))
    old = log.connect().consumer(topic, "group")
    read(old, 1)
    old.commit([Position(0, 1)])
    broker.delete_topic(topic)
    broker.create_topic(TopicSettings(topic, 1))
    with pytest.raises(MissingTopic):
        old.poll(0.0)
    publish(log.connect(), *values(topic, "new"))
    new = log.connect().consumer(topic, "group")
    polls = polls_until(new, lambda polls: len(records_of(polls)) >= 1)
    assert assigned_by(polls) == [Assignment(0, None)]
    assert [(record.offset, record.value) for record in records_of(polls)] == [(0, b"new")]


def test_a_topic_needs_a_name_and_a_partition(log: LogUnderTest) -> None:
    for settings in (TopicSettings("", 1), TopicSettings("none", 0)):
        with pytest.raises(ValueError, match="partition"):
            log.connect().create_topic(settings)


def test_a_closed_consumer_cannot_be_polled(log: LogUnderTest) -> None:
    consumer = log.connect().consumer(log.topic(), None)
    consumer.close()
    with pytest.raises(ValueError, match="closed"):
        consumer.poll(0.0)

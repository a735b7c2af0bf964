"""What every broker does alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.brokers.protocol import Assignment, Broker, Message, Position, TopicSettings
from pipeline.errors import LostPartitions, MissingTopic
from tests.support.broker_logs import (
    LogUnderTest,
    assigned_by,
    is_empty,
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


def test_a_topic_is_created_once_and_its_settings_are_read_back(log: LogUnderTest) -> None:
    settings = TopicSettings(unique_name("topic"), 3, retention_ms=86_400_000, max_message_bytes=200_000)
    broker = log.connect()
    assert broker.create_topic(settings)
    assert not broker.create_topic(TopicSettings(settings.name, 5))
    assert log.connect().topics()[settings.name] == settings


@pytest.mark.parametrize(
    "settings",
    [
        TopicSettings("kept-for-ever", 1, retention_ms=None),
        TopicSettings("compacted", 2, compacted=True),
        TopicSettings("stamped-by-the-client", 1, log_append_time=False),
    ],
    ids=lambda settings: settings.name,
)
def test_each_setting_is_read_back(log: LogUnderTest, settings: TopicSettings) -> None:
    broker = log.connect()
    broker.delete_topic(settings.name)
    assert broker.create_topic(settings)
    assert broker.topics()[settings.name] == settings
    broker.delete_topic(settings.name)


def test_a_topic_grows_by_empty_partitions_and_keeps_what_it_has(log: LogUnderTest) -> None:
    broker, topic = log.connect(), log.topic()
    publisher = broker.publisher()
    publisher.send(Message(topic, b"key", b"value", partition=0))
    publisher.flush()
    broker.grow_topic(topic, 3)
    broker.grow_topic(topic, 2)
    assert broker.topics()[topic].partitions == 3
    assert broker.end_offsets(topic) == {0: 1, 1: 0, 2: 0}
    publisher = log.connect().publisher()
    publisher.send(Message(topic, b"key", b"value", partition=2))
    publisher.flush()
    assert log.connect().end_offsets(topic) == {0: 1, 1: 0, 2: 1}


def test_a_deleted_topic_is_gone(log: LogUnderTest) -> None:
    broker, topic = log.connect(), log.topic()
    assert broker.delete_topic(topic)
    assert topic not in broker.topics()
    assert not broker.delete_topic(topic)


@pytest.mark.parametrize(
    "use",
    [
        lambda broker: broker.start_offsets("not-there"),
        lambda broker: broker.end_offsets("not-there"),
        lambda broker: broker.consumer("not-there", None),
        lambda broker: broker.consumer("not-there", "group"),
        lambda broker: broker.publisher().send(Message("not-there", b"key", b"value")),
    ],
    ids=["start_offsets", "end_offsets", "reader", "member", "send"],
)
def test_a_topic_that_is_not_there_is_an_error_that_names_it(log: LogUnderTest, use: Callable[[Broker], object]) -> None:
    with pytest.raises(MissingTopic, match="not-there"):
        use(log.connect())


def test_offsets_start_at_zero_and_the_end_is_the_offset_of_the_next_record(log: LogUnderTest) -> None:
    broker, topic = log.connect(), log.topic(partitions=2)
    assert broker.start_offsets(topic) == broker.end_offsets(topic) == {0: 0, 1: 0}
    publish(broker, *values(topic, "a", "b", partition=1))
    assert broker.start_offsets(topic) == {0: 0, 1: 0}
    assert broker.end_offsets(topic) == {0: 0, 1: 2}
    assert [record.offset for record in read(broker.consumer(topic, None), 2)] == [0, 1]


def test_records_of_a_partition_come_in_the_order_they_were_sent(log: LogUnderTest) -> None:
    topic = log.topic()
    sent = [str(n) for n in range(500)]
    publish(log.connect(), *values(topic, *sent))
    records = read(log.connect().consumer(topic, None), 500)
    assert texts(records) == sent
    assert [record.offset for record in records] == list(range(500))


def test_equal_keys_go_to_one_partition_from_whatever_publisher(log: LogUnderTest) -> None:
    topic = log.topic(partitions=4)
    keys = [f"device-{n}".encode() for n in range(40)]
    for _ in range(2):
        publish(log.connect(), *(Message(topic, key, b"value") for key in keys))
    records = read(log.connect().consumer(topic, None), 80)
    places = {(record.key, record.partition) for record in records}
    assert len(places) == 40
    assert {partition for _, partition in places} == {0, 1, 2, 3}


def test_a_message_may_name_its_partition(log: LogUnderTest) -> None:
    topic = log.topic(partitions=3)
    publish(log.connect(), *(Message(topic, b"one key", str(n).encode(), partition=n) for n in range(3)))
    records = read(log.connect().consumer(topic, None), 3)
    assert sorted((record.partition, record.value) for record in records) == [(0, b"0"), (1, b"1"), (2, b"2")]


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"", None, ()),
        (None, b"value", ()),
        (b"key", b"", ()),
        (b"key", None, ()),
        (b"\x00\xff", b"\x00" * 1000, (("arrival", b"1767225600000"), ("arrival", b""), ("grüße", b"\xff"))),
    ],
    ids=["empty key and null value", "null key", "empty value", "null value", "bytes and headers"],
)
def test_a_record_is_read_as_it_was_sent(
    log: LogUnderTest, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    topic = log.topic()
    publish(log.connect(), Message(topic, key, value, headers))
    record = read(log.connect().consumer(topic, None), 1)[0]
    assert (record.topic, record.key, record.value, record.headers) == (topic, key, value, headers)


def test_what_is_flushed_is_visible_to_others_at_once(log: LogUnderTest) -> None:
    topic, other = log.topic(), log.connect()
    publisher = log.connect().publisher()
    for number in range(1, 4):
        publisher.send(Message(topic, b"key", b"value"))
        publisher.flush()
        assert other.end_offsets(topic) == {0: number}


def test_a_message_larger_than_the_topic_takes_is_refused_and_others_still_go(log: LogUnderTest) -> None:
    broker, topic = log.connect(), log.topic(max_message_bytes=20_000)
    publisher = broker.publisher()
    with pytest.raises(ValueError, match=topic):
        publisher.send(Message(topic, b"key", bytes(30_000)))
    publisher.send(Message(topic, b"key", bytes(10_000)))
    publisher.flush()
    assert broker.end_offsets(topic) == {0: 1}


def test_append_times_never_go_back(log: LogUnderTest) -> None:
    broker, topic = log.connect(), log.topic()
    for text in ("a", "b", "c"):
        publish(broker, *values(topic, text))
    timestamps = [record.timestamp for record in read(broker.consumer(topic, None), 3)]
    assert timestamps == sorted(timestamps)
    assert timestamps[0] > 1_600_000_000_000


def test_a_new_group_reads_from_the_start_of_the_log(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    publish(log.connect(), *values(topic, "a", "b", partition=0), *values(topic, "c", partition=1))
    consumer = log.connect().consumer(topic, unique_name("group"))
    polls = polls_until(consumer, lambda polls: len(records_of(polls)) == 3)
    assert assigned_by(polls) == [Assignment(0, None), Assignment(1, None)]
    assert sorted(texts(records_of(polls))) == ["a", "b", "c"]


def test_no_record_comes_from_a_partition_that_was_not_assigned_before(log: LogUnderTest) -> None:
    topic = log.topic(partitions=3)
    publish(log.connect(), *(Message(topic, b"key", b"value", partition=n % 3) for n in range(9)))
    polls = polls_until(log.connect().consumer(topic, unique_name("group")), lambda polls: len(records_of(polls)) == 9)
    assigned: set[int] = set()
    for poll in polls:
        assigned |= {assignment.partition for assignment in poll.assigned}
        assert {record.partition for record in poll.records} <= assigned


def test_a_new_member_goes_on_at_the_commit_and_is_told_its_metadata(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    publish(log.connect(), *values(topic, "a", "b", "c"))
    first = log.connect().consumer(topic, group)
    read(first, 3)
    committed = Position(0, 2, metadata='{"writer": "w1", "A": 17}')
    first.commit([committed])
    first.close()

    second = log.connect().consumer(topic, group)
    polls = polls_until(second, lambda polls: len(records_of(polls)) >= 1)
    assert assigned_by(polls) == [Assignment(0, committed)]
    assert texts(records_of(polls)) == ["c"]


def test_what_was_read_but_not_committed_is_read_again(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    publish(log.connect(), *values(topic, "a", "b"))
    first = log.connect().consumer(topic, group)
    assert texts(read(first, 2)) == ["a", "b"]
    first.close()
    assert texts(read(log.connect().consumer(topic, group), 2)) == ["a", "b"]


def test_the_last_commit_counts_even_when_it_goes_back(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    publish(log.connect(), *values(topic, "a", "b"))
    first = log.connect().consumer(topic, group)
    read(first, 2)
    first.commit([Position(0, 2, "further")])
    first.commit([Position(0, 1, "back")])
    first.close()
    assert join(log.connect().consumer(topic, group)) == [Assignment(0, Position(0, 1, "back"))]


def test_partitions_are_committed_one_by_one(log: LogUnderTest) -> None:
    topic, group = log.topic(partitions=2), unique_name("group")
    first = log.connect().consumer(topic, group)
    join(first, 2)
    first.commit([Position(1, 0, "only one")])
    first.close()
    assert join(log.connect().consumer(topic, group), 2) == [Assignment(0, None), Assignment(1, Position(1, 0, "only one"))]


def test_the_longest_metadata_is_kept(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    first = log.connect().consumer(topic, group)
    join(first)
    first.commit([Position(0, 0, "x" * 4096)])
    first.close()
    assert join(log.connect().consumer(topic, group)) == [Assignment(0, Position(0, 0, "x" * 4096))]


def test_position_is_the_offset_of_the_next_record(log: LogUnderTest) -> None:
    topic = log.topic()
    publish(log.connect(), *values(topic, "a", "b"))
    consumer = log.connect().consumer(topic, unique_name("group"))
    read(consumer, 2)
    assert consumer.position(0) == 2


def test_seek_makes_an_offset_the_next_to_be_read(log: LogUnderTest) -> None:
    topic = log.topic()
    publish(log.connect(), *values(topic, "a", "b", "c", "d"))
    consumer = log.connect().consumer(topic, unique_name("group"))
    read(consumer, 4)
    consumer.seek(0, 1)
    assert consumer.position(0) == 1
    assert texts(read(consumer, 3)) == ["b", "c", "d"]


def test_a_reader_without_a_group_reads_all_partitions_from_the_start_and_cannot_commit(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    publish(log.connect(), *values(topic, "a", partition=0), *values(topic, "b", partition=1))
    for _ in range(2):
        reader = log.connect().consumer(topic, None)
        assert sorted(texts(read(reader, 2))) == ["a", "b"]
        with pytest.raises(ValueError, match="group"):
            reader.commit([Position(0, 1)])


def test_a_member_takes_over_where_the_one_before_has_left(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    publish(log.connect(), *values(topic, "a", "b", "c"))
    first = log.connect().consumer(topic, group)
    read(first, 3)
    first.commit([Position(0, 1, "note")])
    second = log.connect().consumer(topic, group)
    first.close()
    polls = polls_until(second, lambda polls: len(records_of(polls)) >= 2)
    assert assigned_by(polls) == [Assignment(0, Position(0, 1, "note"))]
    assert texts(records_of(polls)) == ["b", "c"]


def test_who_has_left_cannot_commit(log: LogUnderTest) -> None:
    topic, group = log.topic(), unique_name("group")
    consumer = log.connect().consumer(topic, group)
    join(consumer)
    consumer.close()
    with pytest.raises(LostPartitions):
        consumer.commit([Position(0, 0)])


def test_groups_do_not_know_of_each_other(log: LogUnderTest) -> None:
    topic, groups = log.topic(), [unique_name("group"), unique_name("group")]
    publish(log.connect(), *values(topic, "a", "b"))
    members = [log.connect().consumer(topic, group) for group in groups]
    assert texts(read(members[0], 2)) == ["a", "b"]
    members[0].commit([Position(0, 2)])
    assert texts(read(members[1], 2)) == ["a", "b"]


def test_a_group_has_its_own_positions_on_each_topic(log: LogUnderTest) -> None:
    group, topics = unique_name("group"), [log.topic(), log.topic()]
    first = log.connect().consumer(topics[0], group)
    join(first)
    first.commit([Position(0, 0, "of the first topic")])
    first.close()
    assert join(log.connect().consumer(topics[1], group)) == [Assignment(0, None)]


def test_one_poll_gives_at_most_max_records_and_misses_none(log: LogUnderTest) -> None:
    topic = log.topic(partitions=2)
    sent = [str(n) for n in range(50)]
    publish(log.connect(), *(Message(topic, b"key", text.encode(), partition=n % 2) for n, text in enumerate(sent)))
    consumer = log.connect().consumer(topic, unique_name("group"), max_records=7)
    polls = polls_until(consumer, lambda polls: len(records_of(polls)) >= 50)
    assert max(len(poll.records) for poll in polls) <= 7
    assert sorted(texts(records_of(polls)), key=int) == sent


def test_poll_wakes_for_a_record_from_another_connection(log: LogUnderTest) -> None:
    topic, other = log.topic(), log.connect()
    consumer = log.connect().consumer(topic, unique_name("group"))
    join(consumer)
    poll = woken_by(lambda: publish(other, *values(topic, "at last")), consumer)
    assert texts(list(poll.records)) == ["at last"]


def test_poll_gives_up_when_its_time_is_over(log: LogUnderTest) -> None:
    consumer = log.connect().consumer(log.topic(), unique_name("group"))
    join(consumer)
    assert is_empty(consumer.poll(0.05))
    assert is_empty(consumer.poll(0.0))


def test_compaction_keeps_the_last_record_of_each_key(log: LogUnderTest) -> None:
    topic = log.topic(compacted=True)
    for text in ("1", "2", "3"):
        publish(log.connect(), *(Message(topic, key, text.encode()) for key in (b"a", b"b")))
    log.compact(topic)
    reader = log.connect().consumer(topic, None)
    polls = polls_until(reader, lambda polls: bool(assigned_by(polls)) and reader.position(0) == 6)
    assert {record.key: record.value for record in records_of(polls)} == {b"a": b"3", b"b": b"3"}


def test_a_transaction_ends_with_all_that_was_flushed_and_committed_in_it(log: LogUnderTest) -> None:
    source, target, group = log.topic(), log.topic(), unique_name("group")
    publish(log.connect(), *values(source, "in"))
    broker = log.connect()
    consumer, publisher = broker.consumer(source, group), broker.publisher()
    read(consumer, 1)
    publisher.send(Message(target, b"key", b"out"))
    with broker.transaction():
        publisher.flush()
        consumer.commit([Position(0, 1, "done")])
    consumer.close()
    assert texts(read(log.connect().consumer(target, None), 1)) == ["out"]
    assert join(log.connect().consumer(source, group)) == [Assignment(0, Position(0, 1, "done"))]


def test_close_is_idempotent(log: LogUnderTest) -> None:
    topic, broker = log.topic(), log.connect()
    consumer, publisher = broker.consumer(topic, unique_name("group")), broker.publisher()
    for _ in range(2):
        consumer.close()
        publisher.close()
        broker.close()
    assert log.connect().end_offsets(topic) == {0: 0}

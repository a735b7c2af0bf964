"""How the SQLite log keeps itself small: retention and compaction, by the way of publishing."""

from __future__ import annotations

import pytest

from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock
from pipeline.errors import Transient
from tests.support.broker_logs import join, publish, read, texts, values

DAY_MS = 86_400_000


def test_publishers_delete_what_is_past_its_retention_and_no_offset_is_used_twice(broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1, retention_ms=DAY_MS))
    broker.create_topic(TopicSettings("for ever", 1))
    publisher = broker.publisher()
    for message in [*values("t", "a", "b"), *values("for ever", "kept")]:
        publisher.send(message)
    publisher.flush()
    clock.advance(DAY_MS)
    publisher.send(Message("for ever", b"", b"at the last moment"))
    publisher.flush()
    assert broker.start_offsets("t") == {0: 0}
    clock.advance(60_000)
    publisher.send(Message("for ever", b"", b"a minute later"))
    publisher.flush()
    assert broker.start_offsets("t") == broker.end_offsets("t") == {0: 2}
    assert broker.start_offsets("for ever") == {0: 0}

    publish(broker, *values("t", "c"))
    assert [(record.offset, record.value) for record in read(broker.consumer("t", None), 1)] == [(2, b"c")]


def test_a_member_that_retention_has_overtaken_is_told_and_does_not_pass_over_what_is_gone(
    broker: SqliteBroker, clock: ManualClock
) -> None:
    broker.create_topic(TopicSettings("t", 1, retention_ms=DAY_MS))
    publish(broker, *values("t", "a", "b", "c"))
    member = broker.consumer("t", "group", max_records=1)
    assert texts(read(member, 1)) == ["a"]
    slow_cleaner = broker.publisher()
    clock.advance(DAY_MS + 60_000)
    slow_cleaner.send(Message("t", b"", b"new"))
    slow_cleaner.flush()
    assert broker.start_offsets("t") == {0: 3}
    with pytest.raises(Transient, match="partition 0 of 't' was read up to offset 1, and the records there are past their retention"):
        member.poll(0.0)
    assert texts(read(broker.consumer("t", None), 1)) == ["new"]


def test_deleting_goes_in_bounded_steps_until_all_is_done(broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1, retention_ms=DAY_MS))
    publisher = broker.publisher()
    for message in values("t", *(str(n) for n in range(12_000))):
        publisher.send(message)
    publisher.flush()
    clock.advance(DAY_MS + 60_000)
    starts = []
    for _ in range(3):
        publisher.send(Message("t", b"", b"new"))
        publisher.flush()
        starts.append(broker.start_offsets("t")[0])
    assert 0 < starts[0] < starts[1] < starts[2] == 12_000


def test_publishers_compact(broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1, compacted=True))
    publisher = broker.publisher()
    for n in range(12_000):
        publisher.send(Message("t", b"device %d" % (n % 10), b"%d" % n))
    publisher.flush()
    for _ in range(4):
        clock.advance(60_000)
        publisher.send(Message("t", b"another", b"value"))
        publisher.flush()
    records = read(broker.consumer("t", None), 11)
    assert [record.value for record in records] == [b"%d" % n for n in range(11_990, 12_000)] + [b"value"]


def test_a_null_value_stays_for_an_hour_so_that_a_reader_under_way_sees_it(broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1, compacted=True))
    publish(broker, Message("t", b"key", b"value"), Message("t", b"key", None))
    clock.advance(3_600_000)
    broker.compact("t")
    assert [record.value for record in read(broker.consumer("t", None), 1)] == [None]
    clock.advance(1)
    broker.compact("t")
    assert broker.start_offsets("t") == broker.end_offsets("t") == {0: 2}


def test_a_group_behind_the_start_of_the_log_goes_on_at_its_start(broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1, retention_ms=DAY_MS))
    publisher = broker.publisher()
    for text, wait_ms in [("gone", DAY_MS + 60_000), ("kept", 0)]:
        publisher.send(*values("t", text))
        publisher.flush()
        clock.advance(wait_ms)
    member = broker.consumer("t", "group")
    join(member)
    assert member.position(0) == 1
    assert texts(read(member, 1)) == ["kept"]

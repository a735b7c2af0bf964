"""What the SQLite log promises as a file: durable, and shared by threads and processes, dead ones too."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from pipeline.brokers.protocol import Assignment, Message, Poll, Position, TopicSettings
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock, SystemClock
from tests.support.broker_logs import join, polls_until, publish, read, records_of, texts, values
from tests.support.log_process import child, line_of


def test_records_and_positions_outlive_the_broker(path: Path, clock: ManualClock) -> None:
    first = SqliteBroker(path, clock)
    first.create_topic(TopicSettings("t", 1))
    publish(first, *values("t", "a", "b"))
    member = first.consumer("t", "group")
    join(member)
    member.commit([Position(0, 1, "note")])
    first.close()

    second = SqliteBroker(path, clock)
    polls = polls_until(second.consumer("t", "group"), lambda polls: len(records_of(polls)) >= 1)
    assert polls[0].assigned == (Assignment(0, Position(0, 1, "note")),)
    assert texts(records_of(polls)) == ["b"]
    second.close()


def test_a_partition_held_by_a_killed_process_is_free_again(path: Path, broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("t", 1))
    publish(broker, *values("t", "a", "b"))
    holding = """
        member = broker.consumer("t", "group")
        while not member.poll(1.0).records:
            pass
        member.commit([Position(0, 1, "by the child")])
        print("holding", flush=True)
        input()
    """
    with child(path, holding) as process:
        assert line_of(process) == "holding"
        member = broker.consumer("t", "group")
        assert member.poll(0.05) == Poll()
        process.kill()
        process.wait()
        polls = polls_until(member, lambda polls: len(records_of(polls)) >= 1)
    assert polls[0].assigned == (Assignment(0, Position(0, 1, "by the child")),)
    assert texts(records_of(polls)) == ["b"]


def test_a_transaction_of_a_killed_process_leaves_nothing_and_blocks_nobody(path: Path, broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("t", 1))
    in_the_middle = """
        with broker.transaction():
            publisher.send(Message("t", b"key", b"half"))
            publisher.flush()
            print("in the middle", flush=True)
            input()
    """
    with child(path, in_the_middle) as process:
        assert line_of(process) == "in the middle"
        assert broker.end_offsets("t") == {0: 0}
        process.kill()
        process.wait()
    publish(broker, *values("t", "whole"))
    assert [(record.offset, record.value) for record in read(broker.consumer("t", None), 1)] == [(0, b"whole")]


def test_processes_and_threads_publish_at_once_and_each_keeps_its_order(path: Path, broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("t", 2))
    program = """
        print("begins", flush=True)
        for n in range(40):
            publisher.send(Message("t", b"", b"process %d" % n, partition=n % 2))
            publisher.flush()
    """

    def publish_from_a_thread() -> None:
        own = SqliteBroker(path, SystemClock())
        for n in range(40):
            publish(own, Message("t", b"", b"thread %d" % n, partition=n % 2))
        own.close()

    thread = threading.Thread(target=publish_from_a_thread)
    with child(path, program) as process:
        assert line_of(process) == "begins"
        thread.start()
        thread.join()
        assert process.wait() == 0
    records = read(broker.consumer("t", None), 80)
    for partition in (0, 1):
        here = [record for record in records if record.partition == partition]
        assert [record.offset for record in here] == list(range(40))
        for sender in ("process", "thread"):
            numbers = [text.split()[1] for text in texts(here) if text.startswith(sender)]
            assert numbers == [str(n) for n in range(partition, 40, 2)]


def test_many_processes_may_open_a_new_log_at_once(path: Path) -> None:
    say_topics = "print(broker.create_topic(TopicSettings('t', 1)), flush=True)"
    with child(path, say_topics) as one, child(path, say_topics) as two, child(path, say_topics) as three:
        assert sorted([line_of(one), line_of(two), line_of(three)]) == ["False", "False", "True"]


def test_a_waiting_member_says_so_once(broker: SqliteBroker, caplog: pytest.LogCaptureFixture) -> None:
    broker.create_topic(TopicSettings("t", 2))
    join(broker.consumer("t", "group"), 2)
    second = broker.consumer("t", "group")
    with caplog.at_level(logging.INFO, logger="pipeline.brokers.sqlite"):
        second.poll(0.03)
        second.poll(0.03)
    assert caplog.messages == ["group group waits for partitions [0, 1] of t: another member has them"]


def test_members_of_one_log_meet_by_whatever_name_they_open_it(path: Path, broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1))
    join(broker.consumer("t", "group"))
    link = path.with_name("link.db")
    link.symlink_to(path)
    other = SqliteBroker(link, clock)
    assert other.consumer("t", "group").poll(0.0) == Poll()
    other.close()


def test_names_of_groups_and_topics_may_hold_anything(broker: SqliteBroker) -> None:
    name = "../grüße/" + "x" * 300
    broker.create_topic(TopicSettings(name, 1))
    publish(broker, *values(name, "a"))
    member = broker.consumer(name, "../" + "g" * 300)
    assert texts(read(member, 1)) == ["a"]


def test_a_poll_brings_no_more_large_records_than_fit_into_memory_and_the_next_ones_bring_the_rest(broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("t", 2))
    megabyte = b"x" * 1_000_000
    publish(broker, *[Message("t", b"%d" % number, megabyte, partition=number % 2) for number in range(60)])
    polls = polls_until(broker.consumer("t", "group"), lambda polls: len(records_of(polls)) >= 60)
    assert max(len(poll.records) for poll in polls) <= 2 * 17
    assert sorted(int(record.key or b"") for record in records_of(polls)) == list(range(60))

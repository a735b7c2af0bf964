"""What the SQLite log promises as a file: durable, shared by processes, kept small, and clear about what is wrong with it."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.brokers.protocol import Assignment, Message, Poll, Position, TopicSettings
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock, SystemClock
from pipeline.errors import BrokerUnreachable, MissingTopic, SensorlineError, Transient
from tests.support.broker_logs import join, polls_until, publish, read, records_of, texts, values

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
def broker(path: Path, clock: ManualClock) -> Iterator[SqliteBroker]:
    opened = SqliteBroker(path, clock)
    yield opened
    opened.close()


@contextmanager
def child(path: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the log open as `broker`; killed at the end if it still lives."""
    prelude = f"""
        from pathlib import Path
        from pipeline.brokers.protocol import *
        from pipeline.brokers.sqlite.broker import SqliteBroker
        from pipeline.clock import SystemClock
        from pipeline.errors import *
        broker = SqliteBroker(Path({str(path)!r}), SystemClock())
        publisher = broker.publisher()
    """
    command = [sys.executable, "-c", dedent(prelude) + dedent(program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    """What the process says next; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


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


def test_a_transaction_whose_part_failed_is_undone_even_if_the_error_was_passed_over(broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("kept", 1))
    broker.create_topic(TopicSettings("deleted", 1))
    publisher = broker.publisher()
    for topic in ("kept", "deleted"):
        publisher.send(Message(topic, b"", b"value"))
    broker.delete_topic("deleted")

    def pass_over() -> None:
        with broker.transaction(), pytest.raises(MissingTopic):
            publisher.flush()

    with pytest.raises(Transient, match="nothing of it"):
        pass_over()
    assert broker.end_offsets("kept") == {0: 0}


def test_a_log_locked_for_too_long_is_worth_another_try(path: Path, broker: SqliteBroker, clock: ManualClock) -> None:
    broker.create_topic(TopicSettings("t", 1))
    impatient = SqliteBroker(path, clock, busy_timeout_s=0.02)
    publisher = impatient.publisher()
    publisher.send(*values("t", "a"))
    with broker.transaction(), pytest.raises(Transient, match="locked"):
        publisher.flush()
    publish(impatient, *values("t", "again"))
    assert texts(read(broker.consumer("t", None), 1)) == ["again"]
    impatient.close()


def test_a_full_disk_loses_nothing_that_was_acknowledged(path: Path, broker: SqliteBroker) -> None:
    broker.create_topic(TopicSettings("t", 1))
    until_full = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        acknowledged = 0
        try:
            for n in range(10_000):
                publisher.send(Message("t", b"", b"%d" % n + bytes(5_000)))
                publisher.flush()
                acknowledged += 1
        except Transient as error:
            print(acknowledged, str(error).count("disk full"))
    """
    with child(path, until_full) as process:
        acknowledged, named = line_of(process).split()
    assert int(named) == 1
    assert 0 < int(acknowledged) < 10_000
    records = read(broker.consumer("t", None), int(acknowledged))
    assert [(record.value or b"").rstrip(b"\0") for record in records] == [b"%d" % n for n in range(int(acknowledged))]
    publish(broker, *values("t", "there is room again"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachable, match=r"no-such-folder.*folder does not exist"):
        SqliteBroker(tmp_path / "no-such-folder" / "log.db", SystemClock())


def test_a_folder_is_not_a_log(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BrokerUnreachable, match="cannot be opened"):
        SqliteBroker(path, SystemClock())


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_text("device,time,temperature\n" * 500)
    with pytest.raises(BrokerUnreachable, match="not a SQLite database"):
        SqliteBroker(path, SystemClock())
    assert path.read_text() == "device,time,temperature\n" * 500


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(BrokerUnreachable, match="another program"):
        SqliteBroker(path, SystemClock())
    assert path.read_bytes() == before


def test_a_log_of_another_format_is_refused(path: Path, broker: SqliteBroker) -> None:
    with sqlite3.connect(path) as future:
        future.execute("PRAGMA user_version = 99")
    future.close()
    with pytest.raises(BrokerUnreachable, match="format 99"):
        SqliteBroker(path, SystemClock())


def test_a_damaged_log_is_an_error_that_says_so(path: Path, clock: ManualClock) -> None:
    whole = SqliteBroker(path, clock)
    whole.create_topic(TopicSettings("t", 1))
    publish(whole, *(Message("t", b"", bytes(2_000)) for _ in range(200)))
    whole.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    def use() -> None:
        damaged = SqliteBroker(path, clock)
        damaged.topics()

    with pytest.raises(SensorlineError, match="corrupt") as caught:
        use()
    assert caught.type is BrokerUnreachable

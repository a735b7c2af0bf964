"""What the SQLite log says when something is wrong with it, its disk or its users, and that nothing is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pipeline.brokers.protocol import Message, TopicSettings
from pipeline.brokers.sqlite.broker import SqliteBroker
from pipeline.clock import ManualClock, SystemClock
from pipeline.errors import BrokerUnreachable, MissingTopic, SensorlineError, Transient
from tests.support.broker_logs import publish, read, texts, values
from tests.support.log_process import child, line_of


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

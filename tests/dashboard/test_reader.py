"""Following a log without a group: from how far back, through the loss of the broker, and never behind for long."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.brokers.protocol import Message, Record
from pipeline.clock import ManualClock, SystemClock
from pipeline.dashboard.reader import Back, LogReader
from pipeline.metrics.health import ALIVE_WITHIN_S
from tests.support.broker_logs import publish
from tests.support.commands import eventually
from tests.support.dashboards import House

WITHIN_S = 15


class Following:
    """A reader in a thread, and what it was given."""

    def __init__(self, house: House, back: Back) -> None:
        self.seen: list[tuple[str, bytes | None]] = []
        self.reader = LogReader(house.connect, house.settings.topics.names(), self.take, back, SystemClock())

    def take(self, kind: str, records: Sequence[Record]) -> None:
        self.seen += [(kind, record.value) for record in records]

    def awaits(self, number: int) -> Counter[tuple[str, bytes | None]]:
        eventually(lambda: len(self.seen) >= number, WITHIN_S, lambda: self.seen[-3:])
        return Counter(self.seen)


@contextmanager
def following(house: House, back: Back | None = None) -> Iterator[Following]:
    found = Following(house, back or Back())
    stop = threading.Event()
    thread = threading.Thread(target=found.reader.run, args=(stop,))
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(WITHIN_S)


def send(house: House, kind: str, *values: bytes) -> None:
    topic = house.settings.topics.names()[kind]
    publish(house.broker(), *[Message(topic, b"pump", value) for value in values])


def test_it_begins_with_what_is_there_and_goes_on(house: House) -> None:
    send(house, "readings", b"1", b"2")
    send(house, "alerts", b"3")
    with following(house) as found:
        found.awaits(3)
        send(house, "readings", b"4")
        seen = found.awaits(4)
    assert seen == Counter({("readings", b"1"): 1, ("readings", b"2"): 1, ("alerts", b"3"): 1, ("readings", b"4"): 1})


def test_what_was_there_comes_in_the_order_of_the_flow(house: House) -> None:
    for kind in ("rejected", "alerts", "predictions", "windows", "readings"):
        send(house, kind, b"x")
    with following(house) as found:
        found.awaits(5)
    assert [kind for kind, _ in found.seen] == ["readings", "windows", "predictions", "alerts", "rejected"]


def test_it_begins_no_further_back_than_told_but_alerts_hold_for_ever(house: House) -> None:
    send(house, "readings", b"old")
    send(house, "alerts", b"old")
    with following(house, Back(ms=-60_000)) as found:
        assert found.awaits(1) == Counter({("alerts", b"old"): 1})


def test_it_begins_at_the_last_records_of_a_long_topic(house: House) -> None:
    send(house, "readings", *[b"%d" % number for number in range(50)])
    with following(house, Back(records=20)) as found:
        seen = found.awaits(10)
        eventually(lambda: found.reader.status.connected, WITHIN_S)
    assert set(seen) == {("readings", b"%d" % number) for number in range(40, 50)}  # of two partitions, of which one is empty
    assert found.reader.status.skipped == 0


def test_a_broker_that_is_gone_is_told_and_nothing_is_read_twice_after_it(house: House) -> None:
    with following(house) as found:
        send(house, "readings", b"1")
        found.awaits(1)
        house.away.set()
        eventually(lambda: found.reader.status.error, WITHIN_S)
        status = found.reader.status
        assert (status.connected, "log.example:9092" in (status.error or "")) == (False, True)
        send(house, "readings", b"2")
        house.away.clear()
        eventually(lambda: found.reader.status.connected, WITHIN_S)
        seen = found.awaits(2)
    assert seen == Counter({("readings", b"1"): 1, ("readings", b"2"): 1})
    assert found.reader.status.error is None


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(house: House) -> None:
    topic = house.settings.topics.readings
    with following(house) as found:
        send(house, "readings", b"1", b"2", b"3")
        found.awaits(3)
        house.away.set()
        eventually(lambda: found.reader.status.error, WITHIN_S)
        settings = house.broker().topics()[topic]
        assert house.broker().delete_topic(topic)
        house.broker().create_topic(settings)
        send(house, "readings", b"4")
        house.away.clear()
        assert found.awaits(4)[("readings", b"4")] == 1


def test_who_falls_far_behind_passes_records_over_and_says_how_many(house: House) -> None:
    with following(house, Back(records=20)) as found:
        send(house, "readings", b"first")
        found.awaits(1)
        house.away.set()
        eventually(lambda: found.reader.status.error, WITHIN_S)
        send(house, "readings", *[b"%d" % number for number in range(100)])
        house.away.clear()
        found.awaits(11)
        assert eventually(lambda: found.reader.status.skipped, WITHIN_S) == 90
    assert found.seen[1] == ("readings", b"90")


def test_partitions_that_are_added_are_read_too(house: House) -> None:
    with following(house) as found:
        eventually(lambda: found.reader.status.connected, WITHIN_S)
        topic = house.settings.topics.readings
        house.broker().grow_topic(topic, 4)
        publish(house.broker(), Message(topic, b"pump", b"new", partition=3))
        assert found.awaits(1) == Counter({("readings", b"new"): 1})


def test_it_is_ready_when_what_was_there_is_read_and_says_why_it_is_not(house: House) -> None:
    send(house, "readings", b"1")
    with following(house) as found:
        found.awaits(1)
        eventually(lambda: found.reader.ready().good, WITHIN_S, found.reader.ready)
        house.away.set()
        eventually(lambda: not found.reader.ready().good, WITHIN_S)
        assert "log.example:9092" in found.reader.ready().said[0]
        assert found.reader.alive().good, "a restart brings no broker back"
    assert found.reader.counts["records_in"] == 1


def test_a_reader_that_is_stuck_is_not_alive(house: House) -> None:
    clock = ManualClock()
    reader = LogReader(house.connect, house.settings.topics.names(), lambda kind, records: None, Back(), clock)
    clock.advance(round(ALIVE_WITHIN_S * 1000))
    assert reader.alive().good
    clock.advance(1000)
    assert not reader.alive().good

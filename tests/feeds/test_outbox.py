"""What waits for the log: bounded, told of when the log has it and not before, and sent again when the log fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog, MemoryPublisher
from pipeline.brokers.protocol import Broker, Message, TopicSettings
from pipeline.brokers.reading import read_now
from pipeline.clock import ManualClock
from pipeline.errors import BrokerUnreachable, MissingTopic, SensorlineError, Transient
from pipeline.metrics.health import ALIVE_WITHIN_S, READY_WITHIN_S
from producers.feeds.outbox import Log, Outbox, Room
from tests.support.commands import eventually

WITHIN_S = 10


class GatedLog:
    """A log in memory whose flushes wait until the gate is open, and fail as often as they are told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.memory = MemoryLog(self.clock)
        self.gate = threading.Event()
        self.gate.set()
        self.failures: list[Exception] = []
        self.flushing = threading.Event()
        MemoryBroker(self.memory).create_topic(TopicSettings("readings", 1, max_message_bytes=1_000))

    def connect(self) -> Broker:
        return _GatedBroker(self)

    def outbox(self, room: Room, told: Told) -> Outbox[str]:
        return Outbox(Log(self.connect, "readings"), room, told, self.clock)

    def texts(self) -> list[str]:
        return [(record.value or b"").decode() for record in read_now(MemoryBroker(self.memory), "readings", [0])]


class _GatedBroker(MemoryBroker):
    def __init__(self, log: GatedLog) -> None:
        super().__init__(log.memory)
        self.gated = log

    def publisher(self) -> MemoryPublisher:
        return _GatedPublisher(self)


class _GatedPublisher(MemoryPublisher):
    def __init__(self, broker: _GatedBroker) -> None:
        super().__init__(broker._log, broker._writer)
        self._gated = broker.gated

    def flush(self) -> None:
        self._gated.flushing.set()
        assert self._gated.gate.wait(WITHIN_S)
        if self._gated.failures:
            raise self._gated.failures.pop()
        super().flush()


class Told:
    """The tokens that were acknowledged."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def __call__(self, tokens: Sequence[str]) -> None:
        self.tokens += tokens

    def all_of(self, *tokens: str) -> None:
        eventually(lambda: self.tokens == list(tokens), WITHIN_S, lambda: self.tokens)


@pytest.fixture
def log() -> Iterator[GatedLog]:
    gated = GatedLog()
    yield gated
    gated.gate.set()


def messages(*texts: str) -> list[Message]:
    return [Message("readings", b"a", text.encode()) for text in texts]


def test_nothing_is_told_before_the_log_has_it(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(10), told)
    log.gate.clear()
    outbox.start()
    assert outbox.offer(messages("1", "2"), "first")
    assert log.flushing.wait(WITHIN_S)
    assert outbox.offer(messages("3"), "second")
    assert told.tokens == []
    log.gate.set()
    told.all_of("first", "second")
    assert log.texts() == ["1", "2", "3"]
    assert outbox.close(WITHIN_S) == 0


def test_what_has_no_room_is_not_taken_until_the_log_has_something(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(2), told)
    log.gate.clear()
    outbox.start()
    assert outbox.offer(messages("1", "2"), "fits")
    assert not outbox.offer(messages("3"), "too much")
    log.gate.set()
    assert outbox.offer(messages("3"), "fits now", WITHIN_S)
    told.all_of("fits", "fits now")
    assert outbox.close(WITHIN_S) == 0


def test_bytes_are_bounded_too_but_one_entry_always_has_room(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(100, size_bytes=10), told)
    log.gate.clear()
    outbox.start()
    assert outbox.offer(messages("a" * 100), "large")
    assert not outbox.offer(messages("b"), "small")
    log.gate.set()
    told.all_of("large")
    assert outbox.close(WITHIN_S) == 0


def test_a_failure_of_the_log_loses_nothing(log: GatedLog) -> None:
    told = Told()
    log.failures = [Transient("no"), BrokerUnreachable("not there")]
    outbox = log.outbox(Room(10), told)
    outbox.start()
    assert outbox.offer(messages("1"), "first")
    eventually(lambda: outbox.trouble is not None, WITHIN_S)
    told.all_of("first")
    assert outbox.trouble is None
    assert log.texts() == ["1"]
    assert outbox.close(WITHIN_S) == 0


def test_it_is_ready_when_the_log_has_answered_though_nothing_was_published(log: GatedLog) -> None:
    outbox = log.outbox(Room(10), Told())
    assert outbox.ready().said == ("log: not reached yet",)
    outbox.start()
    eventually(lambda: outbox.ready().good, WITHIN_S)
    assert outbox.close(WITHIN_S) == 0


def test_it_is_not_ready_while_the_log_refuses_and_says_why(log: GatedLog) -> None:
    told = Told()
    log.gate.clear()
    log.failures = [Transient("the disk is full")]
    outbox = log.outbox(Room(10), told)
    outbox.start()
    assert outbox.offer(messages("1"), "first")
    log.gate.set()
    eventually(lambda: outbox.ready().said == ("log: the disk is full",), WITHIN_S, outbox.ready)
    assert not outbox.ready().good
    told.all_of("first")
    assert outbox.ready().good
    assert outbox.close(WITHIN_S) == 0


def test_while_the_log_does_not_answer_it_is_first_not_ready_and_then_not_alive(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(10), told)
    outbox.start()
    eventually(lambda: outbox.ready().good, WITHIN_S)
    log.gate.clear()
    assert outbox.offer(messages("1"), "first")
    assert log.flushing.wait(WITHIN_S)
    log.clock.advance(int(1_000 * READY_WITHIN_S) + 1)
    assert (outbox.ready().good, outbox.alive().good) == (False, True)
    log.clock.advance(int(1_000 * ALIVE_WITHIN_S))
    assert not outbox.alive().good
    log.gate.set()
    told.all_of("first")
    assert (outbox.ready().good, outbox.alive().good) == (True, False), "alive again with the next thing it does"
    assert outbox.offer(messages("2"), "second")
    told.all_of("first", "second")
    assert outbox.alive().good
    assert outbox.close(WITHIN_S) == 0


def test_how_long_each_entry_waited_is_counted(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(10), told)
    log.gate.clear()
    outbox.start()
    assert outbox.offer(messages("1", "2"), "two at once")
    assert log.flushing.wait(WITHIN_S)
    log.clock.advance(2_000)
    log.gate.set()
    told.all_of("two at once")
    assert outbox.close(WITHIN_S) == 0
    assert outbox.counts == {"records_out": 2, "acknowledged_ms": 2_000, "acknowledged_ms_le_2500": 1}


def test_at_the_end_what_the_log_does_not_take_in_time_is_counted_and_not_told(log: GatedLog) -> None:
    told = Told()
    outbox = log.outbox(Room(10), told)
    log.gate.clear()
    outbox.start()
    assert outbox.offer(messages("1", "2"), "never")
    assert outbox.close(0.1) == 2
    assert not outbox.offer(messages("3"), "after the end")
    assert told.tokens == []


@pytest.mark.parametrize(
    ("message", "error"),
    [(Message("nowhere", b"a", b"1"), MissingTopic), (Message("readings", b"a", b"1" * 2_000), SensorlineError)],
)
def test_what_no_retry_mends_ends_it_with_the_error(log: GatedLog, message: Message, error: type[Exception]) -> None:
    told = Told()
    outbox = log.outbox(Room(10), told)
    outbox.start()
    assert outbox.offer([message], "wrong")
    eventually(lambda: outbox.error is not None, WITHIN_S)
    assert isinstance(outbox.error, error)
    assert not outbox.offer(messages("1"), "after the error")
    assert told.tokens == []

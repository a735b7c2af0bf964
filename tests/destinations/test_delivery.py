"""A delivery's session on a log in memory: what is delivered, what is committed, and what the next life begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Position, TopicSettings
from pipeline.clock import SystemClock
from pipeline.delivery import Delivery, DeliverySession
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.protocol import NotDelivered, Parcel
from pipeline.session import SessionOptions
from tests.support.broker_logs import publish
from tests.support.commands import eventually

MakeParcel = Callable[..., Parcel]
PATIENCE_S = 10


class Mailbox:
    """A destination that can be shut."""

    def __init__(self) -> None:
        self.shut = False
        self.keys: list[str] = []

    def deliver(self, parcel: Parcel) -> None:
        if self.shut:
            raise NotDelivered("shut")
        self.keys.append(parcel.key)


class House:
    """A log with an alerts topic of one partition, and sessions of one destination."""

    def __init__(self, lives: ExitStack) -> None:
        self.log = MemoryLog(SystemClock())
        self.mailbox = Mailbox()
        self._lives = lives
        MemoryBroker(self.log).create_topic(TopicSettings("alerts", 1, compacted=True))

    def publish(self, *parcels: Parcel) -> None:
        publish(MemoryBroker(self.log), *[Message("alerts", it.alert.device.encode(), it.body) for it in parcels])

    def delivery(self, *rules: str, from_end: bool = False) -> Delivery:
        return Delivery("notify.ops", "alerts", self.mailbox, Backoff(0.001, 0.01), rules or ("*",), from_end)

    def session(self, delivery: Delivery | None = None) -> DeliverySession:
        session = DeliverySession(MemoryBroker(self.log), delivery or self.delivery(), SessionOptions("pump.notify.ops"), SystemClock())
        self._lives.callback(session.close)
        return session

    def deliver(self, session: DeliverySession) -> None:
        """Turns until all that is there now has been taken, and commits."""
        ends = MemoryBroker(self.log).end_offsets("alerts")

        def is_done() -> bool:
            session.turn(0.01)
            return session.reached(ends)

        eventually(is_done, PATIENCE_S)
        session.checkpoint()


@pytest.fixture
def house() -> Iterator[House]:
    """Sessions are closed at the end."""
    with ExitStack() as lives:
        yield House(lives)


def test_every_alert_of_the_rules_is_delivered_and_the_rest_is_passed_over(house: House, parcel: MakeParcel) -> None:
    house.publish(parcel(1), parcel(2, rule="hot-inside"), parcel(3, rule="cold"))
    publish(MemoryBroker(house.log), Message("alerts", b"pump", b"{"))
    first = house.session(house.delivery("wear", "hot*"))
    house.deliver(first)
    assert house.mailbox.keys == ["pump-wear-1-raised", "pump-hot-inside-2-raised"]
    first.close()
    house.publish(parcel(4))
    house.deliver(house.session())
    assert house.mailbox.keys[2:] == ["pump-wear-4-raised"], "what was passed over is behind the committed position"


def test_what_was_not_taken_is_delivered_by_the_next_life(house: House, parcel: MakeParcel) -> None:
    first = house.session()
    house.publish(parcel(1))
    house.deliver(first)
    house.mailbox.shut = True
    house.publish(parcel(2), parcel(3, device="fan"))
    for _ in range(5):
        first.turn(0.01)
    first.checkpoint()
    first.close()
    house.mailbox.shut = False
    house.deliver(house.session())
    assert sorted(house.mailbox.keys) == ["fan-wear-3-raised", "pump-wear-1-raised", "pump-wear-2-raised"]


def test_a_new_destination_begins_with_the_oldest_alert_or_with_the_next_one(house: House, parcel: MakeParcel) -> None:
    house.publish(parcel(1))
    new = house.session(house.delivery(from_end=True))
    new.turn(0.01)
    new.close()
    house.publish(parcel(2))
    house.deliver(house.session(house.delivery(from_end=True)))
    assert house.mailbox.keys == ["pump-wear-2-raised"], "also what came after it was stopped"


def test_too_many_on_their_way_are_read_again_later(house: House, parcel: MakeParcel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.delivery.MOST_WAITING", 3)
    house.mailbox.shut = True
    session = house.session()
    numbers = list(range(1, 41))
    for number in numbers:
        house.publish(parcel(number))
        session.turn(0.01)
    house.mailbox.shut = False
    house.deliver(session)
    assert house.mailbox.keys == [f"pump-wear-{number}-raised" for number in numbers]


@pytest.mark.parametrize(("committed", "lost"), [(0, 2), (99, 0)], ids=["older than the log", "of a topic that was made anew"])
def test_a_position_outside_the_log_goes_on_with_the_oldest_alert_and_counts_what_is_gone(
    house: House, parcel: MakeParcel, committed: int, lost: int
) -> None:
    house.publish(parcel(1), parcel(2), parcel(3))
    other = MemoryBroker(house.log).consumer("alerts", "pump.notify.ops")
    eventually(lambda: other.poll(0.01).assigned, PATIENCE_S)
    other.commit([Position(0, committed)])
    other.close()
    if lost:
        house.log.compact("alerts")  # all are of one device
    delivery = house.delivery()
    house.deliver(house.session(delivery))
    assert house.mailbox.keys == [f"pump-wear-{number}-raised" for number in range(1 + lost, 4)]
    assert delivery.counts().get("lost", 0) == lost

"""A delivery's session on a log in memory: what is delivered, what is committed, and what the next life begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Position, Record, TopicSettings
from pipeline.clock import SystemClock
from pipeline.delivery import Delivery, DeliverySession
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.protocol import Destination, NotDelivered, Parcel
from pipeline.destinations.webhook import Webhook
from pipeline.session import SessionOptions
from tests.support.broker_logs import publish
from tests.support.commands import eventually
from tests.support.receiver import TAKEN, Receiver

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
        self.broker = MemoryBroker(self.log)
        for topic in ("alerts", "rejected"):
            self.broker.create_topic(TopicSettings(topic, 1, compacted=topic == "alerts"))

    def publish(self, *parcels: Parcel) -> None:
        publish(MemoryBroker(self.log), *[Message("alerts", it.alert.device.encode(), it.body) for it in parcels])

    def delivery(self, *rules: str, from_end: bool = False, to: Destination | None = None) -> Delivery:
        return Delivery("notify.ops", "alerts", "rejected", to or self.mailbox, Backoff(0.001, 0.01), rules or ("*",), from_end)

    def session(self, delivery: Delivery | None = None) -> DeliverySession:
        session = DeliverySession(MemoryBroker(self.log), delivery or self.delivery(), SessionOptions("pump.notify.ops"), SystemClock())
        self._lives.callback(session.close)
        return session

    def rejected(self) -> list[Record]:
        return self.log.read("rejected", 0, 0, 100)

    def committed(self) -> int:
        """Where the next life begins."""
        reader = self.broker.consumer("alerts", "pump.notify.ops")
        (assignment,) = eventually(lambda: reader.poll(0.01).assigned, PATIENCE_S)
        reader.close()
        assert assignment.committed is not None
        return assignment.committed.offset

    def turn_until(self, session: DeliverySession, condition: Callable[[], bool]) -> None:
        def holds() -> bool:
            session.turn(0.01)
            return condition()

        eventually(holds, PATIENCE_S)

    def deliver(self, session: DeliverySession) -> None:
        """Turns until all that is there now has been taken, and commits."""
        ends = MemoryBroker(self.log).end_offsets("alerts")
        self.turn_until(session, lambda: session.reached(ends))
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


def webhook(receiver: Receiver) -> Webhook:
    return Webhook(receiver.url, None, timeout_s=5, clock=SystemClock())


def refuses(receiver: Receiver, key: str, status: int) -> None:
    """The receiver takes all but this one."""
    receiver.answer = lambda request: status if request.key == key else TAKEN


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_alert_that_a_receiver_refuses_for_its_content_is_rejected_and_holds_nothing_up(
    house: House, parcel: MakeParcel, receiver: Receiver, status: int
) -> None:
    refuses(receiver, "pump-wear-2-raised", status)
    delivery = house.delivery(to=webhook(receiver))
    session = house.session(delivery)
    house.publish(*[parcel(number) for number in (1, 2, 3)], parcel(4, device="fan"))
    house.deliver(session)
    session.close()

    assert [it.alert.number for it in receiver.taken if it.alert.device == "pump"] == [1, 3]
    assert len(receiver.refused) == delivery.backoff.most_refusals
    (rejected,) = house.rejected()
    assert (rejected.key, rejected.value) == (b"pump", parcel(2).body)
    headers = dict(rejected.headers)
    assert (headers["reason"], headers["source.topic"], headers["source.offset"]) == (b"receiver", b"alerts", b"1")
    assert f"answered {status}" in headers["error"].decode()
    assert delivery.counts()["rejected_receiver"] == 1
    assert house.committed() == 4


@pytest.mark.parametrize("status", [401, 403, 404, 405, 503])
def test_an_alert_that_is_refused_for_any_other_reason_is_never_given_up(
    house: House, parcel: MakeParcel, receiver: Receiver, status: int
) -> None:
    refuses(receiver, "pump-wear-2-raised", status)
    delivery = house.delivery(to=webhook(receiver))
    session = house.session(delivery)
    house.publish(*[parcel(number) for number in (1, 2, 3)])
    house.turn_until(session, lambda: len(receiver.refused) > 2 * delivery.backoff.most_refusals)
    session.checkpoint()
    assert [it.alert.number for it in receiver.taken] == [1]
    assert house.rejected() == []
    receiver.answer = lambda _: TAKEN
    house.deliver(session)
    assert [it.alert.number for it in receiver.taken] == [1, 2, 3]


def test_the_position_passes_a_rejected_alert_only_when_the_rejected_topic_has_it(
    house: House, parcel: MakeParcel, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuses(receiver, "pump-wear-1-raised", 422)
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.delivery.COMMIT_INTERVAL_S", 1e6)
        first = house.session(house.delivery(to=webhook(receiver)))
    house.publish(parcel(1), parcel(2))
    house.turn_until(first, lambda: len(receiver.taken) == 1)
    first.close()  # before any checkpoint, as in a crash
    assert house.rejected() == []
    house.deliver(house.session(house.delivery(to=webhook(receiver))))
    assert [record.value for record in house.rejected()] == [parcel(1).body]
    assert {it.key for it in receiver.taken} == {"pump-wear-2-raised"}

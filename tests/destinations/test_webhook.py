"""Webhooks and messages to a real HTTP receiver."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest

from pipeline.clock import ManualClock
from pipeline.destinations.message import Message
from pipeline.destinations.protocol import ContentRefused, NotDelivered, Parcel
from pipeline.destinations.webhook import Webhook
from pipeline.errors import ConfigurationError
from pipeline.records import AlertState
from tests.support.receiver import Receiver

NOW_MS = 1_767_225_600_500
MakeParcel = Callable[..., Parcel]


def webhook(url: str, secret: str | None = None) -> Webhook:
    return Webhook(url, secret, timeout_s=0.5, clock=ManualClock(NOW_MS))


def test_the_request_is_the_alert_as_it_is_on_its_topic_with_a_key_for_its_state(receiver: Receiver, parcel: MakeParcel) -> None:
    destination = webhook(receiver.url)
    raised, cleared = parcel(3), parcel(3, state=AlertState.CLEARED)
    for sent in (raised, cleared, raised):
        destination.deliver(sent)
    assert [request.body for request in receiver.taken] == [raised.body, cleared.body, raised.body]
    assert [request.key for request in receiver.taken] == ["pump-wear-3-raised", "pump-wear-3-cleared", "pump-wear-3-raised"]
    assert "sensorline-signature" not in receiver.taken[0].headers, "nothing is signed without a secret"


def test_whoever_has_the_secret_can_verify_time_and_body(receiver: Receiver, parcel: MakeParcel) -> None:
    webhook(receiver.url, "s3cret").deliver(parcel())
    (request,) = receiver.taken
    timestamp = request.headers["sensorline-timestamp"]
    assert timestamp == "1767225600"
    expected = hmac.new(b"s3cret", timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["sensorline-signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 408, 410, 429, 500, 503])
def test_any_answer_but_success_is_not_taken(receiver: Receiver, parcel: MakeParcel, status: int) -> None:
    receiver.answer = lambda _: status
    with pytest.raises(NotDelivered, match=str(status)) as failed:
        webhook(receiver.url).deliver(parcel())
    assert not isinstance(failed.value, ContentRefused), "it is about the receiver, not about the alert"
    assert len(receiver.refused) == 1, "a redirect is not followed"
    assert receiver.taken == []


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_some_answers_are_about_the_content(receiver: Receiver, parcel: MakeParcel, status: int) -> None:
    receiver.answer = lambda _: status
    with pytest.raises(ContentRefused, match=str(status)):
        webhook(receiver.url).deliver(parcel())


def test_a_receiver_that_is_away_has_not_taken_it_and_its_url_is_not_told(parcel: MakeParcel) -> None:
    away = Receiver()
    with pytest.raises(NotDelivered) as failed:
        webhook(f"http://127.0.0.1:{away.port}/token").deliver(parcel())
    assert "token" not in str(failed.value)


def test_a_message_to_people_goes_through_apprise(receiver: Receiver, parcel: MakeParcel) -> None:
    destination = Message("chat", f"json://127.0.0.1:{receiver.port}/room")
    destination.deliver(parcel())
    (request,) = receiver.taken
    assert b"pump: wear raised" in request.body
    assert b"value 7.5" in request.body


def test_a_message_that_the_service_does_not_take_is_not_delivered(receiver: Receiver, parcel: MakeParcel) -> None:
    receiver.answer = lambda _: 503
    with pytest.raises(NotDelivered):
        Message("chat", f"json://127.0.0.1:{receiver.port}/room").deliver(parcel())


def test_a_url_that_names_no_service_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="chat"):
        Message("chat", "no-such-service://x")

"""A receiver, and alerts to send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipeline.destinations.protocol import Parcel
from pipeline.records import Alert, AlertState
from pipeline.wire.alerts import encode_alert
from tests.support.receiver import Receiver

MakeParcel = Callable[..., Parcel]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """It is there from the beginning."""
    opened = Receiver().open()
    yield opened
    opened.close()


@pytest.fixture
def parcel() -> MakeParcel:
    """Makes the parcel of an alert."""

    def make(number: int = 1, device: str = "pump", rule: str = "wear", state: AlertState = AlertState.RAISED) -> Parcel:
        alert = Alert(f"{device}-{rule}-{number}", device, rule, state, 1000 * number, 1000 * number, 7.5, (), number)
        return Parcel(alert, encode_alert(alert))

    return make

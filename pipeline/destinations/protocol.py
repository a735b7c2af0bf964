"""What a destination is, and what it is given. Knows no broker and no client library."""

from __future__ import annotations

from typing import Protocol

import msgspec

from pipeline.records import Alert


class NotDelivered(Exception):
    """The receiver has not taken the alert, as far as is known; it is tried again. The message is one line."""


class ContentRefused(NotDelivered):
    """The receiver is there and answers that it does not take what is in this alert. It is tried again, but not for ever."""


class Parcel(msgspec.Struct, frozen=True):
    """An alert on its way: as it is on its topic, and decoded."""

    alert: Alert
    body: bytes

    @property
    def key(self) -> str:
        """The same each time this alert is delivered, and for no other: receivers know repeats by it."""
        return f"{self.alert.id}-{self.alert.state}"


class Destination(Protocol):
    """Used by several threads at a time."""

    def deliver(self, parcel: Parcel) -> None:
        """Returns when the receiver has taken the alert. Raises `NotDelivered`, `ContentRefused` where that is known."""
        ...

"""Alerts as messages to people, by chat or mail. The only module that knows Apprise, whose URLs name the services."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import apprise

from pipeline.destinations.protocol import NotDelivered, Parcel
from pipeline.errors import ConfigurationError
from pipeline.records import Alert, AlertState

# Apprise logs what it does, URLs with tokens included; what went wrong is said by us.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class Message:
    """A `pipeline.destinations.protocol.Destination`. Raises `ConfigurationError` for a URL that names no service."""

    def __init__(self, name: str, url: str) -> None:
        self._services = apprise.Apprise()
        if not self._services.add(url):
            raise ConfigurationError(f"destinations: the url of {name} names no service that Apprise knows (slack://..., mailto://...)")

    def deliver(self, parcel: Parcel) -> None:
        is_raised = parcel.alert.state is AlertState.RAISED
        kind = apprise.NotifyType.WARNING if is_raised else apprise.NotifyType.SUCCESS
        title, body = message_of(parcel.alert)
        if not self._services.notify(title=title, body=body, notify_type=kind):
            raise NotDelivered("the service did not take the message")


def message_of(alert: Alert) -> tuple[str, str]:
    """Title and text of a message for people.

    >>> message_of(Alert("7f3a", "pump-7", "wear", AlertState.RAISED, 0, 0, 12.5, ()))[0]
    'pump-7: wear raised'
    """
    lines = [f"value {alert.value:g} at {_moment(alert.time)}"]
    if alert.state is AlertState.CLEARED:
        lines.append(f"raised at {_moment(alert.since)}")
    if alert.cause:
        lines.append(f"cause: {alert.cause}")
    if alert.devices:
        lines.append(f"devices: {', '.join(alert.devices)}")
    return f"{alert.device}: {alert.rule} {alert.state}", "\n".join([*lines, f"id {alert.id}"])


def _moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")

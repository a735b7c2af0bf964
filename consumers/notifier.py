"""The notifier: alerts to the configured destinations."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.config.destinations import DestinationSettings
from pipeline.delivery import Delivery
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.protocol import Destination
from pipeline.errors import ConfigurationError


def notifier(settings: Settings, names: Sequence[str] | None = None) -> list[Delivery]:
    """A delivery for each destination, or for those that are named. Raises `ConfigurationError` for one that is not there."""
    there = [destination.name for destination in settings.destinations]
    unknown = [name for name in names or () if name not in there]
    if unknown:
        raise ConfigurationError(f"there is no destination {unknown[0]!r}; there are {', '.join(there) or 'none'}")
    return [_delivery(settings, chosen) for chosen in settings.destinations if names is None or chosen.name in names]


def _delivery(settings: Settings, chosen: DestinationSettings) -> Delivery:
    topics = settings.topics
    backoff = Backoff(chosen.backoff_ms / 1000, chosen.longest_backoff_ms / 1000, chosen.most_refusals)
    from_end = chosen.begin == "newest"
    return Delivery(f"notify.{chosen.name}", topics.alerts, topics.rejected, _destination(chosen), backoff, chosen.rules, from_end)


def _destination(chosen: DestinationSettings) -> Destination:
    """Each kind's own library is imported when it is built."""
    url = "" if chosen.url is None else chosen.url.get_secret_value()
    match chosen.kind:
        case "webhook":
            from pipeline.destinations.webhook import Webhook

            secret = None if chosen.secret is None else chosen.secret.get_secret_value()
            return Webhook(url, secret, chosen.timeout_ms / 1000, SystemClock())
        case "message":
            from pipeline.destinations.message import Message

            return Message(chosen.name, url)
        case _:
            from pipeline.destinations.console import Console

            return Console()

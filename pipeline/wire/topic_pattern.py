"""Patterns of MQTT topics: the filter to subscribe to, and the device and the sensor that a topic names."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

DEVICE = "{device}"
SENSOR = "{sensor}"
ANY = "+"
REST = "#"


class Named(msgspec.Struct, frozen=True):
    """What a topic says of its messages."""

    device: str | None
    sensor: str | None


class TopicPattern:
    """Levels between slashes: a text, `{device}`, `{sensor}`, `+` for any one level, or a last `#` for all that follow.

    >>> pattern = TopicPattern("plant/{device}/{sensor}")
    >>> pattern.filter, pattern.match("plant/pump-7/temperature")
    ('plant/+/+', Named(device='pump-7', sensor='temperature'))
    """

    def __init__(self, text: str) -> None:
        levels = text.split("/")
        _check(text, levels)
        self.filter = "/".join(ANY if level in (DEVICE, SENSOR) else level for level in levels)
        self.names_device = DEVICE in levels
        self._open_ended = levels[-1] == REST
        self._levels = levels[:-1] if self._open_ended else levels

    def match(self, topic: str) -> Named | None:
        """What the topic names; None for one that the pattern does not describe."""
        levels = topic.split("/")
        if len(levels) < len(self._levels) or (len(levels) > len(self._levels) and not self._open_ended):
            return None
        named: dict[str, str] = {}
        for wanted, level in zip(self._levels, levels, strict=False):
            if wanted in (DEVICE, SENSOR):
                named[wanted] = level
            elif wanted not in (ANY, level):
                return None
        return Named(named.get(DEVICE), named.get(SENSOR))


def _check(text: str, levels: Sequence[str]) -> None:
    for place, level in enumerate(levels):
        if level == REST and place < len(levels) - 1:
            raise ValueError(f'{text!r}: "#" must be the last level')
        if level not in (DEVICE, SENSOR, ANY, REST) and any(sign in level for sign in "{}+#\0"):
            raise ValueError(f'{text!r}: {level!r} is no level; allowed are texts, "{{device}}", "{{sensor}}", "+" and a last "#"')
    if not text or max(levels.count(DEVICE), levels.count(SENSOR)) > 1:
        raise ValueError(f'{text!r}: must have "{{device}}" and "{{sensor}}" at most once, as in "plant/{{device}}/{{sensor}}"')

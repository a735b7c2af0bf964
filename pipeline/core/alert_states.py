"""What machines of alert rules remember, by device or group and then by rule name: kept, written and taken over in one way.

**Rules that are gone.** A rule is known by its name. One that the restored state has and the configuration has not, or that is
no longer about this device or group, judges nothing any more, so its open episode would never end. It ends at the restore: an
`Orphan`, made of the restored state alone, so that every restore of that state gives the same one, byte by byte. A rule that
only has other limits keeps its episode, which is judged on under them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from pipeline.core.alert_memory import OpenEpisode
from pipeline.core.alert_rules import Rule
from pipeline.records import Alert, AlertCause, AlertState

_encoder = msgspec.msgpack.Encoder()


class Memory(Protocol):
    """What is remembered of one key under one rule."""

    episode: OpenEpisode | None
    number: int


class RuleState(Protocol):
    """What is remembered under one key, up to the record at offset `applied`."""

    applied: int
    rules: dict[str, Any]  # `Memory` by rule name


class Orphan(msgspec.Struct, frozen=True):
    """The end of an episode whose rule is gone. `grouped`: only the groups that the device is counted in were told of it."""

    alert: Alert
    grouped: bool


State = TypeVar("State", bound=RuleState)


class RuleStates(Generic[State]):
    """The part of a `pipeline.core.keyed_state.Keyed` machine that does not depend on what its rules are about."""

    def __init__(self, kind: type[State], rules: Iterable[Rule]) -> None:
        """`kind`: of the states. `rules`: those that there are."""
        self.touched: set[str] = set()
        self.unsaved_bytes = 0
        self.restored_until = -1
        self._states: dict[str, State] = {}
        self._by_name: Mapping[str, Rule] = {rule.name: rule for rule in rules}
        self._orphans: list[Orphan] = []
        self._decoder = msgspec.msgpack.Decoder(kind)

    def dump(self, device: str) -> tuple[int, bytes] | None:
        """(applied, state) under a key; None where nothing is remembered of it."""
        state = self._states.get(device)
        return None if state is None else (state.applied, _encoder.encode(state))

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what `dump` gave. Rules that are gone are left out, new ones begin without memory."""
        if state is None:
            return
        loaded = self._decoder.decode(state)
        gone = [name for name, memory in loaded.rules.items() if not self._is_about(device, name, memory.episode)]
        for name in gone:
            memory: Memory = loaded.rules.pop(name)
            if memory.episode is not None:
                self._orphans.append(_orphan(device, name, memory.episode, memory.number))
        if loaded.rules:
            self._states[device] = loaded

    def migrate(self, device: str, applied: int, state: bytes | None) -> None:
        """The same as `load`: each rule's memory is known by its name."""
        self.load(device, applied, state)

    def take_orphans(self) -> list[Orphan]:
        """The episodes that ended as their rules are gone, once."""
        orphans, self._orphans = self._orphans, []
        return orphans

    def _is_about(self, device: str, name: str, episode: OpenEpisode | None) -> bool:
        """Whether what is remembered under a rule of this name goes on. An episode that was a group's is none of the device's."""
        rule = self._by_name.get(name)
        if rule is None or not rule.scope.has(device):
            return False
        return episode is None or episode.grouped is bool(rule.scope.groups)


def _orphan(device: str, name: str, episode: OpenEpisode, number: int) -> Orphan:
    time = max(episode.since, episode.time)
    cleared = Alert(episode.id, device, name, AlertState.CLEARED, episode.since, time, episode.value, (), number)
    return Orphan(msgspec.structs.replace(cleared, cause=AlertCause.RULE_REMOVED), episode.grouped)

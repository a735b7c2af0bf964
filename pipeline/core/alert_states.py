"""What machines of alert rules remember, by device or group and then by rule name: kept, written and taken over in one way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

_encoder = msgspec.msgpack.Encoder()


class RuleState(Protocol):
    """What is remembered under one key, up to the record at offset `applied`."""

    applied: int
    rules: dict[str, Any]  # memories by rule name


State = TypeVar("State", bound=RuleState)


class RuleStates(Generic[State]):
    """The part of a `pipeline.core.keyed_state.Keyed` machine that does not depend on what its rules are about."""

    def __init__(self, kind: type[State], rules: Iterable[str]) -> None:
        """`kind`: of the states. `rules`: the names of those that there are."""
        self.touched: set[str] = set()
        self.unsaved_bytes = 0
        self.restored_until = -1
        self._states: dict[str, State] = {}
        self._names = frozenset(rules)
        self._decoder = msgspec.msgpack.Decoder(kind)

    def dump(self, device: str) -> tuple[int, bytes] | None:
        """(applied, state) under a key; None where nothing is remembered of it."""
        state = self._states.get(device)
        return None if state is None else (state.applied, _encoder.encode(state))

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what `dump` gave. Rules that are gone are left out, new ones begin without memory."""
        if state is None:
            return
        loaded = self._states[device] = self._decoder.decode(state)
        loaded.rules = {name: memory for name, memory in loaded.rules.items() if name in self._names}

    def migrate(self, device: str, applied: int, state: bytes | None) -> None:
        """The same as `load`: each rule's memory is known by its name."""
        self.load(device, applied, state)

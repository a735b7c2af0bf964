"""Keyed state in a compacted log: what a stage knows of each device, and how far into the log that reaches.

The rules (each is there because leaving it out loses or doubles windows after some crash):

- A state says how far it reaches: `applied`, the offset of the last record that is in it. Records up to it are passed over.
- Its key is (device, writer). A writer is one assignment of a partition; only the writer that the committed position names
  is believed, so a zombie can write what it likes.
- A new writer adopts: it writes all that it restored under its own name before the first commit that names it.
- A forgotten device leaves a marker, a state without content, until an acknowledged commit has passed it.
- After an acknowledged commit the keys of other writers that were read at the restore are deleted, and only those.

Pure: it is given what was read and says what is to be written. What a device's state is, its `Keyed` machine knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

Key = tuple[str, str]  # device, writer


class Keyed(Protocol):
    """A machine with a state for each device."""

    touched: set[str]  # devices whose state has changed since it was last taken
    unsaved_bytes: int  # about what the states of the touched devices take
    restored_until: int  # no restored state reaches beyond this offset; -1: nothing was restored

    def dump(self, device: str) -> tuple[int, bytes] | None:
        """(applied, state) of a device; None where nothing is remembered of it."""
        ...

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over a restored state; None: it was forgotten at `applied`."""
        ...

    def migrate(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what can be taken over of a state that was made by other rules. Raises `ValueError` where nothing can."""
        ...


class Mark(msgspec.Struct, frozen=True):
    """The metadata of a committed position: who is believed, and the partition's arrival clock at that position."""

    writer: str
    arrival: int | None = None
    from_header: bool = False
    spec: str = ""  # rules that the state was made by
    partitions: int = 0  # of the input topic, when it was committed


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """The value of a state record."""

    applied: int
    state: bytes | None


class Write(msgspec.Struct, frozen=True):
    """A state record to be written; without a value it deletes the key."""

    key: bytes
    value: bytes | None


_keys = msgspec.msgpack.Decoder(Key)
_values = msgspec.msgpack.Decoder(Saved)
_encoder = msgspec.msgpack.Encoder()


def state_topic(group: str, source: str) -> str:
    """The compacted topic of a group's state about the partitions of `source`."""
    return f"{group}.{source}.state"


def encode_mark(mark: Mark) -> str:
    """The metadata of a commit."""
    return msgspec.json.encode(mark).decode()


NOBODY = encode_mark(Mark(""))  # the metadata of a position that no writer has begun from


def decode_mark(metadata: str) -> Mark | None:
    """The mark; None for metadata that is not ours."""
    try:
        return msgspec.json.decode(metadata.encode(), type=Mark)
    except msgspec.DecodeError:
        return None


class KeyedState:
    """The state of one partition under one writer."""

    def __init__(self, machine: Keyed, writer: str) -> None:
        self.writer = writer
        self._machine = machine
        self._markers: dict[str, int] = {}  # forgotten devices, by the offset that a commit must pass
        self._foreign: set[bytes] = set()

    def restore(self, mark: Mark, records: Iterable[tuple[bytes, bytes | None]], spec: str = "") -> None:
        """Takes over the last state of each device by the writer that `mark` believes.

        `records`: key and value, in the order of the log. A state made by another spec than `spec` is migrated.
        """
        believed = mark.writer
        load = self._machine.load if mark.spec == spec else self._machine.migrate
        states: dict[str, Saved] = {}
        for key, value in records:
            device, writer = _keys.decode(key)
            if value is None:
                self._foreign.discard(key)
                if writer == believed:
                    states.pop(device, None)
                continue
            self._foreign.add(key)
            if writer == believed:
                states[device] = _values.decode(value)
        for device, saved in states.items():
            load(device, saved.applied, saved.state)
            if saved.state is None:
                self._markers[device] = saved.applied
            self._machine.touched.add(device)
            self._machine.restored_until = max(self._machine.restored_until, saved.applied)

    def save(self, offset: int) -> list[Write]:
        """The states to be written, and acknowledged, before `offset` (of the next record) is committed."""
        return [Write(self._key(device), _encoder.encode(self._saved(device, offset))) for device in self._take_touched()]

    def committed(self, offset: int) -> list[Write]:
        """What may be deleted after `offset` has been committed and acknowledged."""
        passed = [device for device, forgotten_at in self._markers.items() if forgotten_at < offset]
        for device in passed:
            del self._markers[device]
        gone = [Write(key, None) for key in sorted(self._foreign)]
        self._foreign = set()
        return gone + [Write(self._key(device), None) for device in passed]

    def _saved(self, device: str, offset: int) -> Saved:
        dumped = self._machine.dump(device)
        if dumped is None:
            # Everything before the offset has been taken and nothing is left of it; a restored marker may reach further.
            self._markers[device] = max(offset - 1, self._markers.get(device, -1))
            return Saved(self._markers[device], None)
        self._markers.pop(device, None)
        return Saved(*dumped)

    def _take_touched(self) -> Iterable[str]:
        touched, self._machine.touched, self._machine.unsaved_bytes = self._machine.touched, set(), 0
        return sorted(touched)

    def _key(self, device: str) -> bytes:
        return _encoder.encode((device, self.writer))

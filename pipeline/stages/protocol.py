"""What a stage is: a pure step plus the name of its input topic. It never sees a consumer or a producer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Flag, auto
from typing import Protocol, runtime_checkable

import msgspec

from pipeline.brokers.protocol import Message, Position, Record
from pipeline.core.keyed_state import Write
from pipeline.records import ModelIdentity

SHADOW = "score.shadow"
"""The name of the stage that scores with a second model beside the first."""


class Accept(Flag):
    """What a user has agreed to that is otherwise refused, as it cannot be gone on from without a loss."""

    NOTHING = 0
    REPARTITION = auto()  # the input topic has got more partitions: devices may have moved
    LOG_START = auto()  # the committed position is outside the log: begin at its start, without state
    RESET = auto()  # begin at the start of the log, without state, whatever was committed
    SPEC = auto()  # the state was made by another window spec: take over what is open


class Handover(msgspec.Struct, frozen=True):
    """A partition, with what its last owner left of it."""

    partition: int
    offset: int  # the next to be read: the committed one, else the start of the log
    committed: Position | None = None
    state: Sequence[Record] = ()  # of the partition's state topic, in order; empty for a stage that keeps none
    writer: str = ""  # a fresh name for the new owner's state
    partitions: int = 1  # of the input topic
    fresh: bool = False  # begin as if nothing had been left, and delete what was
    accept: Accept = Accept.NOTHING


class Checkpoint(msgspec.Struct, frozen=True):
    """The state to be written and acknowledged, and the position that may be committed after that.

    `messages`: outputs that follow from the restored state and from no record; they are published before the state is saved.
    """

    position: Position
    writes: Sequence[Write] = ()
    messages: Sequence[Message] = ()


class Stage(Protocol):
    """Driven by `pipeline.runner.Runner`, which alone polls, publishes and commits.

    A stage keeps its state by partition: assigned, stepped, revoked. It reads no clock: `now_ms` is an argument.
    """

    name: str  # "window": part of the group's name
    source: str  # input topic
    keeps_state: bool  # whether checkpoints have writes
    tick_interval_ms: int | None  # None: this stage never asks for ticks

    def assign(self, handover: Handover) -> None:
        """Begins a partition. Raises `StateRefused` where what was left cannot be gone on from."""
        ...

    def revoke(self, partition: int) -> None:
        """Forgets a partition; another member goes on with it."""
        ...

    def step(self, records: Sequence[Record], now_ms: int) -> Sequence[Message]:
        """Takes records in order and returns everything to be published for them."""
        ...

    def tick(self, partition: int) -> Message | None:
        """The tick to publish when nothing has come for a tick interval; None where nothing waits for time to pass."""
        ...

    def unsaved_bytes(self) -> int:
        """About how much state the next checkpoints of all partitions would write."""
        ...

    def checkpoint(self, partition: int) -> Checkpoint:
        """How far the stage has come, and the state that has changed since the last checkpoint."""
        ...

    def committed(self, partition: int) -> Sequence[Write]:
        """The last checkpoint is committed and acknowledged: the state records that may be deleted now."""
        ...

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        """Closes what is open and returns what that publishes."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Running totals by name, such as `received` or `rejected_late`."""
        ...


@runtime_checkable
class Modelled(Protocol):
    """A stage that has a model."""

    @property
    def model(self) -> ModelIdentity:
        """The one that scores now."""
        ...

"""What a stage is: a pure step plus the name of its input topic. It never sees a consumer or a producer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.brokers.protocol import Assignment, Message, Position, Record


class Stage(Protocol):
    """Driven by `pipeline.runner.Runner`, which alone polls, publishes and commits.

    A stage keeps its state by partition: assigned, stepped, revoked. It reads no clock: `now_ms` is an argument.
    """

    name: str  # "window": part of the group's name
    source: str  # input topic
    tick_interval_ms: int | None  # None: this stage never asks for ticks

    def assign(self, assignment: Assignment) -> None:
        """Begins a partition at its committed position."""
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

    def checkpoint(self, partition: int) -> Position | None:
        """The position that may be committed once all outputs are acknowledged; None: not now."""
        ...

    def drain(self, partition: int, now_ms: int) -> Sequence[Message]:
        """Closes what is open and returns what that publishes."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Running totals by name, such as `received` or `rejected_late`."""
        ...

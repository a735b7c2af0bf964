"""Going on with a partition from what its last owner left: refused where that would be a guess, else restored.

Shared by the stages that keep state. The rules of the state itself are in `pipeline.core.keyed_state`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.brokers.protocol import Position
from pipeline.core.keyed_state import Keyed, KeyedState, Mark, Write, decode_mark, encode_mark
from pipeline.errors import StateRefused
from pipeline.stages.protocol import Accept, Checkpoint, Handover


class Recovery:
    """The committed position and the keyed state of one partition. `mark` is what the restored position remembers."""

    def __init__(self, machine: Keyed, handover: Handover, spec: str = "") -> None:
        self.mark = _checked(handover, spec)
        self._spec = spec
        self._partition = handover.partition
        self._partitions = handover.partitions
        self._state = KeyedState(machine, handover.writer)
        try:
            self._state.restore(self.mark, [(record.key or b"", record.value) for record in handover.state], spec)
        except ValueError as error:
            raise StateRefused(f"partition {handover.partition}: {error}; `sensorline state reset` deletes what is open") from None
        self._offset = handover.offset

    def checkpoint(self, offset: int, arrival: int | None = None, from_header: bool = False) -> Checkpoint:
        """The checkpoint before the record at `offset` is taken, with the arrival clock at that place."""
        self._offset = offset
        mark = Mark(self._state.writer, arrival, from_header, self._spec, self._partitions)
        return Checkpoint(Position(self._partition, offset, encode_mark(mark)), self._state.save(offset))

    def committed(self) -> Sequence[Write]:
        """What may be deleted now that the last checkpoint is acknowledged."""
        return self._state.committed(self._offset)


def begins_fresh(committed: Position, start: int, end: int, accept: Accept) -> bool:
    """Whether a partition whose log holds the offsets from `start` to `end` begins at its start, whatever was committed.

    Raises `StateRefused` for a position outside the log, unless that was accepted.
    """
    if Accept.RESET in accept:
        return True
    if start <= committed.offset <= end:
        return False
    if Accept.LOG_START in accept:
        return True
    raise StateRefused(
        f"partition {committed.partition} is committed at {committed.offset}, but its log holds offsets {start} to {end}"
        " (the topic was created anew, or retention was faster); --from-log-start begins at the start of the log, without"
        " what was open"
    )


def _checked(handover: Handover, spec: str) -> Mark:
    """The mark to go on from; an empty one for a partition that nobody has begun. Raises `StateRefused`."""
    place = f"partition {handover.partition}"
    if handover.fresh:
        return Mark("")
    if handover.committed is None:
        if _live_keys(handover):
            raise StateRefused(
                f"{place} has state but no committed position (the group's offsets expired or were deleted);"
                " `sensorline state reset` deletes the state and begins at the start of the log"
            )
        return Mark("")
    mark = decode_mark(handover.committed.metadata)
    if mark is None or not mark.writer:
        raise StateRefused(
            f"{place}: the committed position {handover.committed.offset} was not written by sensorline (reset by a tool?);"
            " `sensorline state reset` deletes the state and begins at the start of the log"
        )
    if mark.spec != spec and Accept.SPEC not in handover.accept:
        raise StateRefused(
            f"{place}: its state was made by the window spec {mark.spec}, the configuration is {spec};"
            " `sensorline state migrate` takes what is open over, `sensorline state reset` deletes it"
        )
    if mark.partitions != handover.partitions and Accept.REPARTITION not in handover.accept:
        raise StateRefused(
            f"{place}: the topic had {mark.partitions} partitions when it was committed and has {handover.partitions} now, so devices"
            " may have moved to other partitions; --accept-repartition goes on, and windows open there close when idle"
        )
    return mark


def _live_keys(handover: Handover) -> bool:
    return any(record.value is not None for record in handover.state)

"""Known wrong ways to recover, each a small change of the right one, for `monkeypatch`.

Each is a rule of `pipeline.core.keyed_state` or `pipeline.session` left out, or an order of steps turned round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pytest

from pipeline.brokers.protocol import Assignment, Message, Record
from pipeline.brokers.reading import read_now
from pipeline.core.episode import Episode
from pipeline.core.keyed_state import KeyedState, Mark, Saved, Write
from pipeline.core.live import LiveDevices
from pipeline.core.windower import PartitionWindower
from pipeline.session import Session
from pipeline.stages.window import WindowStage

Mutation = Callable[[pytest.MonkeyPatch], None]


def apply_a_record_twice(patch: pytest.MonkeyPatch) -> None:
    """Records that a restored state already has in it are taken again."""
    patch.setattr(PartitionWindower, "skips", lambda self, device, offset: False)


def believe_every_writer(patch: pytest.MonkeyPatch) -> None:
    """The last state of a device counts, whoever wrote it."""
    restore = KeyedState.restore

    def of_any_writer(self: KeyedState, mark: Mark, records: Iterable[tuple[bytes, bytes | None]], spec: str = "") -> None:
        listed = list(records)
        last = {msgspec.msgpack.decode(key)[0]: value for key, value in listed}
        mine = [(msgspec.msgpack.encode((device, mark.writer)), value) for device, value in last.items()]
        others = [(key, value) for key, value in listed if msgspec.msgpack.decode(key)[1] != mark.writer]
        restore(self, mark, [*others, *mine], spec)

    patch.setattr(KeyedState, "restore", of_any_writer)


def adopt_without_writing(patch: pytest.MonkeyPatch) -> None:
    """What was restored is written under the new name only when it changes."""
    restore = KeyedState.restore

    def without_touching(self: KeyedState, mark: Mark, records: Iterable[tuple[bytes, bytes | None]], spec: str = "") -> None:
        restore(self, mark, records, spec)
        self._machine.touched.clear()

    patch.setattr(KeyedState, "restore", without_touching)


def no_marker_for_a_forgotten_device(patch: pytest.MonkeyPatch) -> None:
    """The state of a forgotten device is deleted at once."""
    save = KeyedState.save

    def deleting(self: KeyedState, offset: int) -> list[Write]:
        writes = save(self, offset)
        return [it if it.value and msgspec.msgpack.decode(it.value, type=Saved).state else Write(it.key, None) for it in writes]

    patch.setattr(KeyedState, "save", deleting)


def idle_order_by_insertion(patch: pytest.MonkeyPatch) -> None:
    """The device that was touched first is thought to be idle first: a restored one counts as touched when it was restored."""
    take = PartitionWindower.take

    def take_and_move_to_the_end(self: PartitionWindower, device: str, *reading: Any) -> Any:
        refusal = take(self, device, *reading)
        if refusal is None:
            self._live.episodes[device] = self._live.episodes.pop(device)
        return refusal

    def take_from_the_front(self: LiveDevices, deadline: int, offset: int) -> list[Episode]:
        idle = []
        for episode in self.episodes.values():
            if episode.last_arrival > deadline or episode.applied >= offset:
                break
            idle.append(episode)
        return self._taken(idle)

    patch.setattr(PartitionWindower, "take", take_and_move_to_the_end)
    patch.setattr(LiveDevices, "take_idle", take_from_the_front)


def commit_before_the_state_is_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """Outputs, position, then the state."""
    patch.setattr(Session, "checkpoint", lambda self: _checkpoint(self, outputs_first=True))


def commit_before_the_outputs_are_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """Position, then outputs and state."""
    patch.setattr(Session, "checkpoint", lambda self: _checkpoint(self, outputs_first=False))


def commit_a_new_writer_before_it_has_adopted(patch: pytest.MonkeyPatch) -> None:
    """The position names the new writer as soon as it has been assigned."""
    begin = Session._begin

    def naming_at_once(self: Session, assigned: Sequence[Assignment]) -> None:
        begin(self, assigned)
        for assignment in assigned:
            windower = self._stage._tasks[assignment.partition].windower  # type: ignore[attr-defined]
            restored, windower.touched = windower.touched, set()
            self._consumer.commit([self._stage.checkpoint(assignment.partition).position])
            windower.touched = restored

    patch.setattr(Session, "_begin", naming_at_once)


def delete_keys_that_are_looked_up_later(patch: pytest.MonkeyPatch) -> None:
    """After a commit every other writer's keys are deleted, also those written since the restore."""
    checkpoint = Session.checkpoint

    def and_look_up(self: Session) -> None:
        checkpoint(self)
        writers = {partition: _writer(self, partition) for partition in self.partitions}
        for record in list(read_now(self._broker, self._state_topic, self.partitions)):
            if record.value is not None and record.key and msgspec.msgpack.decode(record.key)[1] != writers[record.partition]:
                self._publisher.send(Message(self._state_topic, record.key, None, (), record.partition))
        self._publisher.flush()

    patch.setattr(Session, "checkpoint", and_look_up)


def believe_a_restore_that_was_overtaken(patch: pytest.MonkeyPatch) -> None:
    """What was read as the state is taken over without asking the log whether the partition is still ours."""

    def only_read(self: Session, found: dict[int, Any], starts: Any) -> dict[int, list[Record]]:
        state: dict[int, list[Record]] = {partition: [] for partition in found}
        for record in read_now(self._broker, self._state_topic, state.keys()):
            state[record.partition].append(record)
        return state

    patch.setattr(Session, "_read_state", only_read)


def close_by_wall_clock(patch: pytest.MonkeyPatch) -> None:
    """Devices are idle by the time at which the windower reads, not by the log's."""
    step = WindowStage.step

    def by_the_time_of_day(self: WindowStage, records: Sequence[Record], now_ms: int) -> list[Message]:
        out: list[Message] = []
        for record in records:
            out += step(self, [record], now_ms)
            self._tasks[record.partition].windower.arrive(max(now_ms, record.timestamp), False, record.offset)
        return out

    patch.setattr(WindowStage, "step", by_the_time_of_day)


def _writer(session: Session, partition: int) -> str:
    writer: str = session._stage._tasks[partition]._recovery._state.writer  # type: ignore[attr-defined]
    return writer


def _checkpoint(session: Session, outputs_first: bool) -> None:
    checkpoints = [session._stage.checkpoint(partition) for partition in session.partitions]
    if outputs_first:
        session._publisher.flush()
    if checkpoints:
        session._consumer.commit([checkpoint.position for checkpoint in checkpoints])
    for checkpoint in checkpoints:
        session._write(checkpoint.position.partition, checkpoint.writes)
    session._publisher.flush()
    for checkpoint in checkpoints:
        session._write(checkpoint.position.partition, session._stage.committed(checkpoint.position.partition))


ALL: Sequence[Mutation] = (
    apply_a_record_twice,
    believe_every_writer,
    adopt_without_writing,
    no_marker_for_a_forgotten_device,
    idle_order_by_insertion,
    commit_before_the_state_is_acknowledged,
    commit_before_the_outputs_are_acknowledged,
    commit_a_new_writer_before_it_has_adopted,
    delete_keys_that_are_looked_up_later,
    believe_a_restore_that_was_overtaken,
    close_by_wall_clock,
)

"""The windower of one partition: readings in, windows and refusals out. Windows are a function of the log.

Two clocks decide everything, and both come from the log: each device's watermark (event time) and the partition's arrival
clock. No wall clock is read or passed in, so a live run, a late run and a replay of the same log give the same windows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from operator import attrgetter

import msgspec

from pipeline.core.arrival import ArrivalClock
from pipeline.core.build import WindowBuilder
from pipeline.core.episode import STEP_BYTES, Episode
from pipeline.core.filling import Late
from pipeline.core.live import LiveDevices
from pipeline.core.migration import migrated
from pipeline.core.policy import WindowPolicy
from pipeline.core.segment import segmenter
from pipeline.core.step import RowFormat, Step
from pipeline.records import CloseReason, Rejection, RejectReason, Window

_time = attrgetter("time")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Episode)


class PartitionWindower:
    """For each record of the partition, in order: `arrive` (or `reset`), then `take` for each reading in it.

    The windows that close meanwhile are taken away with `collect`. A `pipeline.core.keyed_state.Keyed` machine: restored
    states may reach beyond the record at hand, which then changes nothing of theirs, but still moves the arrival clock.
    """

    def __init__(self, policy: WindowPolicy, sensors: tuple[str, ...], topic: str, partition: int) -> None:
        self.clock = ArrivalClock()
        self.counts: Counter[str] = Counter()
        self.touched: set[str] = set()
        self.unsaved_bytes = 0
        self.restored_until = -1
        self._policy = policy
        self._ahead_ms = math.inf if policy.max_ahead_ms is None else policy.max_ahead_ms
        self._behind_ms = math.inf if policy.max_behind_ms is None else policy.max_behind_ms
        self._rows = RowFormat(len(sensors))
        self._step_bytes = STEP_BYTES + len(self._rows.unobserved)
        self._segmenter = segmenter(policy, WindowBuilder(policy, sensors, topic, partition), self._rows)
        self._live = LiveDevices()
        self._forgotten: dict[str, int] = {}  # restored markers: device, by the offset at which it was forgotten
        self._closed: list[Window] = []

    @property
    def live_devices(self) -> int:
        """Number of devices that something is remembered of."""
        return len(self._live.episodes)

    @property
    def open_steps(self) -> int:
        """Number of accepted steps that no window has been published with yet; counts windows: not yet final ones."""
        return sum(episode.open_steps for episode in self._live.episodes.values())

    @property
    def open_windows(self) -> int:
        """Number of windows that take steps; steps that are not final yet and belong to none are on the way to one."""
        return sum(len(episode.windows) or bool(episode.pending) for episode in self._live.episodes.values())

    def collect(self) -> list[Window]:
        """The windows closed since the last call, in order."""
        closed, self._closed = self._closed, []
        return closed

    def arrive(self, arrival: int, from_header: bool, offset: int) -> None:
        """The record at `offset` arrived: moves the arrival clock and closes the devices that are idle by it."""
        self.clock.move(arrival, from_header)
        for episode in self._live.take_idle(self._now() - self._policy.idle_timeout_ms, offset):
            self._finish(episode, CloseReason.IDLE)

    def tick(self, arrival: int, from_header: bool, offset: int) -> None:
        """A tick arrived. One stamped by the broker says nothing to a replayed stream, and is ignored there."""
        if from_header or not self.clock.from_header:
            self.arrive(arrival, from_header, offset)

    def reset(self, arrival: int, offset: int) -> None:
        """A replay begins: closes and forgets every device, and sets the arrival clock, even backwards."""
        for episode in self._live.take_all(offset):
            self._finish(episode, CloseReason.RESET)
        self.clock.reset(arrival)

    def drain(self) -> None:
        """Closes and forgets every device. The only closing that is no function of the log."""
        for episode in self._live.take_all():
            self._finish(episode, CloseReason.END)

    def skips(self, device: str, offset: int) -> bool:
        """The record at `offset` is already in the device's restored state."""
        if offset > self.restored_until:
            self._forgotten.clear()
            return False
        episode = self._live.episodes.get(device)
        return offset <= (self._forgotten.get(device, -1) if episode is None else episode.applied)

    def dump(self, device: str) -> tuple[int, bytes] | None:
        """(applied, state) of a device; None where nothing is remembered of it."""
        episode = self._live.episodes.get(device)
        return None if episode is None else (episode.applied, _encoder.encode(episode))

    def load(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what `dump` gave; None: the device was forgotten at `applied`."""
        if state is None:
            self._forgotten[device] = applied
            return
        self._live.add(_decoder.decode(state))

    def take(self, device: str, time: int, row: bytes, offset: int, arrival: int) -> Rejection | None:
        """One reading of the record at `offset`; says why where it is refused.

        `row`: sensors x 4 bytes, float32, NaN = unobserved. `arrival`: the record's own, already given to `arrive`.
        """
        if not arrival - self._behind_ms <= time <= arrival + self._ahead_ms:
            return self._clock_refusal(time, arrival)
        step = Step(time, row, offset, offset, arrival, arrival)
        episode = self._live.episodes.get(device)
        now = self._now()
        if episode is None:
            episode = Episode(device, now, now, time - self._policy.out_of_orderness_ms)
            self._live.add(episode)
        elif time < episode.watermark:
            return self._take_late(episode, step)
        episode.last_arrival = now
        self._touch(episode, offset)
        self._insert(episode, step)
        self._release(episode)
        return None

    def migrate(self, device: str, applied: int, state: bytes | None) -> None:
        """Takes over what is open in a state that another window spec made: as steps that are not final yet, in a new count."""
        open_steps = None if state is None else _encoder.encode(migrated(_decoder.decode(state), len(self._rows.unobserved)))
        self.load(device, applied, open_steps)

    def _now(self) -> int:
        now = self.clock.now
        assert now is not None, "arrive comes first"
        return now

    def _clock_refusal(self, time: int, arrival: int) -> Rejection:
        if time > arrival:
            return Rejection(RejectReason.FUTURE, f"event time {time} is more than max_ahead after its arrival {arrival}")
        return Rejection(RejectReason.PAST, f"event time {time} is more than max_behind before its arrival {arrival}")

    def _take_late(self, episode: Episode, step: Step) -> Rejection | None:
        """A late step moves no watermark and does not count as heard from, whatever becomes of it."""
        outcome = Late.REFUSED
        if step.time >= episode.watermark - self._policy.allowed_lateness_ms:
            episode.start = episode.start if episode.steps else step.time
            episode.steps += 1  # its number, should it begin a window
            outcome = self._segmenter.add_late(episode, step, self._closed)
            if outcome is not Late.TAKEN:
                episode.steps -= 1
        if outcome is Late.REFUSED:
            return Rejection(RejectReason.LATE, f"event time {step.time} is earlier than the device's watermark {episode.watermark}")
        self._touch(episode, step.last_offset)
        self.counts["merged" if outcome is Late.MERGED else "late_taken"] += 1
        return None

    def _touch(self, episode: Episode, offset: int) -> None:
        """The record at `offset` changes the episode by a step."""
        episode.applied = offset
        self.unsaved_bytes += self._step_bytes
        if episode.device not in self.touched:
            self.touched.add(episode.device)
            self.unsaved_bytes += episode.open_steps * self._step_bytes

    def _insert(self, episode: Episode, step: Step) -> None:
        pending = episode.pending
        if not pending or pending[-1].time < step.time:
            pending.append(step)
        else:
            place = bisect_left(pending, step.time, key=_time)
            if pending[place].time == step.time:
                pending[place] = self._rows.merge_steps(pending[place], step)
                self.counts["merged"] += 1
            else:
                pending.insert(place, step)
        watermark = step.time - self._policy.out_of_orderness_ms
        if watermark > episode.watermark:
            episode.watermark = watermark
        if len(pending) > self._policy.max_pending and pending[0].time >= episode.watermark:
            episode.watermark = pending[0].time + 1
            self.counts["forced"] += 1

    def _release(self, episode: Episode) -> None:
        """Hands the steps earlier than the watermark to the segmenter, in time order."""
        pending = episode.pending
        if pending[0].time < episode.watermark:
            final = bisect_left(pending, episode.watermark, key=_time)
            self._segment(episode, pending[:final])
            del pending[:final]
        self._segmenter.advance(episode, self._closed)

    def _segment(self, episode: Episode, steps: list[Step]) -> None:
        if not episode.steps:
            episode.start = steps[0].time
        for step in steps:
            episode.steps += 1
            dropped = self._segmenter.add(episode, step, self._closed)
            if dropped:
                self.counts["dropped"] += dropped

    def _finish(self, episode: Episode, reason: CloseReason) -> None:
        """The end of an episode: all its steps are final, and its windows close."""
        self._segment(episode, episode.pending)
        self._segmenter.finish(episode, reason, self._closed)
        self.touched.add(episode.device)

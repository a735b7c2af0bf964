"""From steps to the published window: identity, content hash, source span."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import msgspec

from pipeline.core.episode import Episode, OpenWindow
from pipeline.core.policy import WindowPolicy
from pipeline.core.step import Step
from pipeline.records import CloseReason, Source, Window


class WindowBuilder:
    """Builds the windows of one partition."""

    def __init__(self, policy: WindowPolicy, sensors: tuple[str, ...], topic: str, partition: int) -> None:
        self._scored_from = policy.scored_from
        self._spec = policy.spec_id(sensors)
        self._sensors = sensors
        self._topic = topic
        self._partition = partition

    def build(self, episode: Episode, window: OpenWindow, bounds: tuple[int, int] | None, reason: CloseReason) -> Window:
        """`bounds`: the aligned [start, end); None where a window begins and ends with its first and last step."""
        steps = window.steps
        start, end = bounds or (steps[0].time, steps[-1].time)
        times = struct.pack(f"<{len(steps)}q", *[step.time for step in steps])
        values = b"".join([step.row for step in steps])
        return Window(
            id=window_id(self._spec, episode.device, episode.birth, (window.place, window.chunk)),
            device=episode.device,
            spec=self._spec,
            start=start,
            end=end,
            final=True,
            sequence=1,
            revision=0,
            reason=reason,
            sensors=self._sensors,
            times=times,
            values=values,
            dropped=window.dropped,
            merged=sum([step.merged for step in steps]),
            carried=0,
            too_short=len(steps) < self._scored_from,
            position=window.position,
            episode_start=episode.start,
            source=self._source(steps),
            hash=content_hash(times, values, window.dropped),
        )

    def _source(self, steps: Sequence[Step]) -> Source:
        return Source(
            topic=self._topic,
            partition=self._partition,
            first_offset=min([step.first_offset for step in steps]),
            last_offset=max([step.last_offset for step in steps]),
            first_arrival=min([step.first_arrival for step in steps]),
            last_arrival=max([step.last_arrival for step in steps]),
        )


def window_id(spec: str, device: str, birth: int, place: tuple[int, int]) -> str:
    """The name of a window: independent of offsets, partitions, restarts, batch sizes and other devices."""
    return hashlib.blake2b(msgspec.msgpack.encode((spec, device, birth, place)), digest_size=16).hexdigest()


def content_hash(times: bytes, values: bytes, dropped: int) -> str:
    """Equal for windows with the same steps; one (id, sequence, revision) has one content."""
    digest = hashlib.blake2b(times, digest_size=16)
    digest.update(values)
    digest.update(dropped.to_bytes(8, "little"))
    return digest.hexdigest()

"""From the state of a window to the published record: identity, content hash, source span."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import msgspec

from pipeline.core.episode import Episode, WindowState
from pipeline.core.policy import Hopping, Tumbling, WindowPolicy
from pipeline.core.step import Step
from pipeline.records import CloseReason, Source, Window


class WindowBuilder:
    """Builds the windows of one partition."""

    def __init__(self, policy: WindowPolicy, sensors: tuple[str, ...], topic: str, partition: int) -> None:
        self._aligned_ms = policy.shape.size_ms if isinstance(policy.shape, Tumbling | Hopping) else None
        self._scored_from = policy.scored_from
        self._spec = policy.spec_id(sensors)
        self._sensors = sensors
        self._topic = topic
        self._partition = partition

    def build(self, episode: Episode, window: WindowState, reason: CloseReason) -> Window:
        """The window as it is now; it has a step."""
        steps = window.steps
        times = struct.pack(f"<{len(steps)}q", *[step.time for step in steps])
        values = b"".join([step.row for step in steps])
        aligned = self._aligned_ms
        return Window(
            id=window_id(self._spec, episode.device, episode.birth, (window.place, window.chunk)),
            device=episode.device,
            spec=self._spec,
            start=steps[0].time if aligned is None else window.place,
            end=steps[-1].time if aligned is None else window.place + aligned,
            final=reason is not CloseReason.EARLY,
            sequence=window.sequence,
            revision=window.revision,
            reason=reason,
            sensors=self._sensors,
            times=times,
            values=values,
            dropped=window.dropped,
            merged=sum([step.merged for step in steps]),
            carried=window.carried,
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

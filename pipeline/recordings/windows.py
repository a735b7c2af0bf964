"""The windows of a recording, made by the windower that makes the live ones, without a log between.

What a replay to a topic of one partition would do: a reset, the readings through the wire's own form, a closing tick. So
ids and contents are those of the live windows. Knows neither labels nor a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pipeline.core.policy import WindowPolicy
from pipeline.core.replay_order import arrivals
from pipeline.core.windower import PartitionWindower
from pipeline.records import Reading, Rejection, Window
from pipeline.wire.readings import Decoded, ReadingDecoder, encode_reading
from pipeline.wire.times import INT64_MAX

TOPIC = "recording"  # in the source of these windows; offset n is the n-th reading, as after a reset tick at offset 0


def windows_of(
    readings: Iterable[Reading], policy: WindowPolicy, decoder: ReadingDecoder, counts: Counter[str] | None = None
) -> Iterator[Window]:
    """The windows of readings in replay order (`pipeline.recordings.ordering`), in the order in which they close.

    `counts` gets what the windower counts, and the refused readings by reason (`rejected_late`, ...), as the window stage
    has them. Raises `ConfigurationError` for a recording in which only some readings have an arrival.
    """
    for _, window in windows_by_policy(readings, (policy,), decoder, counts):
        yield window


def windows_by_policy(
    readings: Iterable[Reading], policies: Sequence[WindowPolicy], decoder: ReadingDecoder, counts: Counter[str] | None = None
) -> Iterator[tuple[int, Window]]:
    """The windows under each of several policies, in one pass: (index of the policy, window). `counts` are of all together."""
    counted = Counter[str]() if counts is None else counts
    windowers = [PartitionWindower(policy, decoder.sensors, TOPIC, 0) for policy in policies]
    last, end = 0, 1
    for offset, (arrival, reading) in enumerate(arrivals(readings), start=1):
        if offset == 1:
            for windower in windowers:
                windower.reset(arrival, 0)
        decoded = decoder.decode(reading.device.encode(), encode_reading(reading))
        for index, windower in enumerate(windowers):
            windower.arrive(arrival, True, offset)
            counted["received"] += 1
            counted.update(f"rejected_{refusal.reason}" for refusal in _refusals(windower, decoded, offset, arrival))
            yield from ((index, window) for window in windower.collect())
        last, end = arrival, offset + 1
    for index, (windower, policy) in enumerate(zip(windowers, policies, strict=True)):
        windower.tick(min(last + policy.idle_timeout_ms, INT64_MAX), True, end)
        yield from ((index, window) for window in windower.collect())
        counted.update(windower.counts)


def _refusals(windower: PartitionWindower, decoded: Decoded | Rejection, offset: int, arrival: int) -> Iterator[Rejection]:
    """Gives what was decoded to the windower; what is refused comes back."""
    if isinstance(decoded, Rejection):
        yield decoded
        return
    for row in decoded.rows:
        refusal = row if isinstance(row, Rejection) else windower.take(decoded.device, row[0], row[1], offset, arrival)
        if refusal is not None:
            yield refusal

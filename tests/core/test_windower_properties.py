"""What holds for every stream: nothing disappears, nothing is doubled, one id has one content."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.episode import open_bytes
from pipeline.core.policy import Count, Hopping, Keep, Overflow, Session, Shape, Tumbling, WindowPolicy
from pipeline.core.windower import PartitionWindower
from pipeline.records import Rejection, Window

SHAPES: list[Shape] = [Session(10), Tumbling(10), Count(4, 2, True), Count(4, 3, False)]


@dataclass(frozen=True)
class Arrived:
    """One reading: after `wait_ms`, with a clock `behind_ms` behind the arrival clock."""

    device: str
    wait_ms: int
    behind_ms: int
    value: float


@dataclass
class Result:
    windows: list[Window]
    refused: int
    windower: PartitionWindower


arrived = st.builds(
    Arrived,
    device=st.sampled_from("pqr"),
    wait_ms=st.one_of(st.integers(0, 6), st.integers(0, 60)),
    behind_ms=st.one_of(st.integers(0, 4), st.integers(-40, 40)),
    value=st.floats(-1, 1, width=32),
)
streams = st.lists(arrived, max_size=80)


@st.composite
def policies(draw: st.DrawFn, shapes: list[Shape]) -> WindowPolicy:
    shape = draw(st.sampled_from(shapes))
    return WindowPolicy(
        shape=shape,
        out_of_orderness_ms=draw(st.integers(0, 8)),
        idle_timeout_ms=draw(st.integers(18, 40)),
        max_length=draw(st.integers(4, 6)),
        overflow=draw(st.sampled_from(Overflow)),
        keep=draw(st.sampled_from(Keep)),
        max_duration_ms=None if isinstance(shape, Count) else draw(st.none() | st.integers(0, 15)),
        min_length=draw(st.integers(1, 3)),
        max_ahead_ms=draw(st.none() | st.just(30)),
        max_behind_ms=draw(st.none() | st.just(30)),
        max_pending=draw(st.sampled_from([1, 3, 10_000])),
    )


def run(policy: WindowPolicy, stream: list[Arrived], drain: bool = False) -> Result:
    windower = PartitionWindower(policy, ("a",), "readings", 0)
    windows, refused, now = [], 0, 1_000
    for offset, reading in enumerate(stream):
        now += reading.wait_ms
        windower.arrive(now, False, offset)
        row = struct.pack("<f", reading.value)
        refused += isinstance(windower.take(reading.device, now - reading.behind_ms, row, offset, now), Rejection)
        windows += windower.collect()
    if drain:
        windower.drain()
        windows += windower.collect()
    return Result(windows, refused, windower)


def times(window: Window) -> tuple[int, ...]:
    return struct.unpack(f"<{window.length}q", window.times)


@given(policies(SHAPES[:2]), streams, st.booleans())
def test_every_reading_is_refused_merged_dropped_in_one_window_or_still_open(
    policy: WindowPolicy, stream: list[Arrived], drain: bool
) -> None:
    result = run(policy, stream, drain)
    counts = result.windower.counts
    windowed = sum(window.length for window in result.windows)
    assert len(stream) == result.refused + counts["merged"] + counts["dropped"] + windowed + result.windower.open_steps
    assert counts["dropped"] >= sum(window.dropped for window in result.windows)
    if drain:
        assert result.windower.live_devices == 0
        assert counts["merged"] >= sum(window.merged for window in result.windows)


@given(policies(SHAPES[2:]), streams)
def test_every_step_is_in_at_least_one_count_window(policy: WindowPolicy, stream: list[Arrived]) -> None:
    # A value names the reading that a step is of; its place would not, as two episodes may begin at the same event time.
    result = run(policy, [replace(reading, value=float(number)) for number, reading in enumerate(stream)], drain=True)
    shown = {value for window in result.windows for (value,) in struct.iter_unpack("<f", window.values)}
    assert len(stream) - result.refused - result.windower.counts["merged"] == len(shown)


@given(policies(SHAPES), streams)
def test_steps_are_in_time_order_within_the_caps_and_ids_are_unique(policy: WindowPolicy, stream: list[Arrived]) -> None:
    windows = run(policy, stream, drain=True).windows
    for window in windows:
        steps = times(window)
        assert list(steps) == sorted(set(steps))
        assert 1 <= window.length <= policy.max_length
        assert policy.max_duration_ms is None or steps[-1] - steps[0] <= policy.max_duration_ms
        assert window.too_short == (window.length < policy.scored_from)
        assert not any(math.isnan(value) for (value,) in struct.iter_unpack("<f", window.values))
    assert len({window.id for window in windows}) == len(windows)


@given(policies(SHAPES[:1]), streams)
def test_sessions_have_no_gap_inside(policy: WindowPolicy, stream: list[Arrived]) -> None:
    assert isinstance(policy.shape, Session)
    for window in run(policy, stream, drain=True).windows:
        steps = times(window)
        if not window.dropped:
            assert all(later - earlier <= policy.shape.gap_ms for earlier, later in pairwise(steps))


@given(policies(SHAPES[1:2]), streams)
def test_tumbling_windows_hold_their_steps(policy: WindowPolicy, stream: list[Arrived]) -> None:
    assert isinstance(policy.shape, Tumbling)
    for window in run(policy, stream, drain=True).windows:
        assert window.start % policy.shape.size_ms == 0
        assert window.start <= times(window)[0] <= times(window)[-1] < window.end == window.start + policy.shape.size_ms


@given(policies(SHAPES), streams)
def test_sending_every_reading_twice_changes_no_window(policy: WindowPolicy, stream: list[Arrived]) -> None:
    twice = [copy for reading in stream for copy in (reading, Arrived(reading.device, 0, reading.behind_ms, reading.value))]
    assert [(w.id, w.hash, w.reason) for w in run(policy, stream).windows] == [(w.id, w.hash, w.reason) for w in run(policy, twice).windows]


@given(policies(SHAPES), streams)
def test_a_device_alone_with_the_arrivals_of_all_gives_the_same_windows(policy: WindowPolicy, stream: list[Arrived]) -> None:
    together = run(policy, stream)
    windower = PartitionWindower(policy, ("a",), "another", 3)
    alone, now = [], 1_000
    for offset, reading in enumerate(stream):
        now += reading.wait_ms
        windower.arrive(now, False, offset)
        if reading.device == "p":
            windower.take("p", now - reading.behind_ms, struct.pack("<f", reading.value), offset, now)
        alone += windower.collect()
    assert [(w.id, w.hash) for w in alone] == [(w.id, w.hash) for w in together.windows if w.device == "p"]


def test_a_device_that_is_gone_leaves_nothing() -> None:
    policy = WindowPolicy(Session(10), 0, 20, 5, Overflow.SPLIT, Keep.LAST)
    result = run(policy, [Arrived(device, 1, 0, 1.0) for device in "abcdefgh"])
    result.windower.arrive(10_000, False, 99)
    assert result.windower.live_devices == 0
    assert result.windower.open_steps == 0


@given(policies([*SHAPES, Hopping(12, 4), Hopping(9, 1)]), streams, st.sampled_from([1, 40]))
def test_what_is_open_of_a_device_takes_no_more_than_its_policy_says(policy: WindowPolicy, stream: list[Arrived], sensors: int) -> None:
    windower = PartitionWindower(policy, ("a",) * sensors, "readings", 0)
    now = 2**60
    for offset, reading in enumerate(stream, 2**60):
        now += reading.wait_ms
        windower.arrive(now, False, offset)
        windower.take("p", now - reading.behind_ms, struct.pack("<f", reading.value) * sensors, offset, now)
        saved = windower.dump("p")
        assert saved is None or len(saved[1] or b"") <= open_bytes(policy, sensors)


def test_a_release_is_forced_only_where_the_watermark_had_not_released_enough() -> None:
    policy = WindowPolicy(Session(10), 5, 20, 5, Overflow.SPLIT, Keep.LAST, max_pending=1)
    released_by_time = run(policy, [Arrived("p", 0, 0, 1.0), Arrived("p", 10, 0, 1.0)])
    forced = run(policy, [Arrived("p", 0, 0, 1.0), Arrived("p", 3, 0, 1.0)])
    assert (released_by_time.windower.counts["forced"], forced.windower.counts["forced"]) == (0, 1)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"shape": Session(0)}, "gap"),
        ({"shape": Session(50)}, "idle_timeout"),
        ({"shape": Tumbling(0)}, "size"),
        ({"shape": Count(9, 1)}, "size"),
        ({"shape": Count(4, 5)}, "step"),
        ({"shape": Count(4, 1), "max_duration_ms": 5}, "max_duration"),
        ({"max_length": 0}, "max_length"),
        ({"min_length": 7}, "min_length"),
        ({"out_of_orderness_ms": -1}, "out_of_orderness"),
    ],
)
def test_a_policy_that_contradicts_itself_names_its_key(change: dict[str, object], key: str) -> None:
    good: dict[str, object] = {"shape": Session(10), "out_of_orderness_ms": 2, "idle_timeout_ms": 20, "max_length": 5}
    with pytest.raises(ValueError, match=rf"^{key} = "):
        WindowPolicy(**{**good, "overflow": Overflow.SPLIT, "keep": Keep.LAST, **change})  # type: ignore[arg-type]

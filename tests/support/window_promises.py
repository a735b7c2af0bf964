"""The promises that hold for the windows of any stream after any faults, compared with the oracle and one uninterrupted pass."""

from __future__ import annotations

from collections import Counter

from pipeline.core.policy import Session, Tumbling, WindowPolicy
from pipeline.records import Window
from pipeline.stages.protocol import Stage
from pipeline.wire.windows import decode_window
from tests.support.failure_model import Scenario, World, play
from tests.support.oracle import shown, windows_of
from tests.support.scenarios import window_flow
from tests.support.streams import SENSORS, Event


def check_windows(policy: WindowPolicy, scenario: Scenario[Event]) -> None:
    """Plays the scenario; raises `AssertionError` where a promise is broken."""
    world, last = play(window_flow(policy), scenario)
    windows = [decode_window(record.value or b"") for record in world.records("windows")]
    of_the_log = [window for partition in range(world.partitions) for window in windows_of(world.source(partition), policy, SENSORS)]
    assert {shown(window) for window in windows} == set(of_the_log), "P3: not the windows of the design"
    # Two replays of other content at the same arrivals share ids, as the design says; of all other streams P1 and P2 hold.
    if len({window[:3] for window in of_the_log}) == len(of_the_log):
        assert_one_content_each(windows)
        if isinstance(policy.shape, Session | Tumbling):
            assert_nothing_disappeared(world.reference, set(windows))
    assert_nothing_is_left(world, last)


def assert_one_content_each(windows: list[Window]) -> None:
    """P2: what was published twice is equal, byte by byte."""
    versions = {(window.id, window.sequence, window.revision) for window in windows}
    assert len(versions) == len(set(windows)), "P2: one version of a window has two contents"


def assert_nothing_disappeared(reference: Stage, windows: set[Window]) -> None:
    """P1, by the counters of an uninterrupted pass and what is on the topic; of a revised window its last version counts."""
    counts = Counter(reference.counts())
    rejected = sum(number for name, number in counts.items() if name.startswith("rejected_"))
    last: dict[str, Window] = {}
    for window in sorted(windows, key=lambda window: (window.sequence, window.revision)):
        last[window.id] = window
    assert all(window.final for window in last.values())
    kept = sum(window.length - window.carried for window in last.values())
    assert counts["received"] == rejected + counts["merged"] + counts["dropped"] + kept, "P1: something disappeared"
    assert counts["dropped"] == sum(window.dropped for window in last.values())


def assert_nothing_is_left(world: World[Event], stage: Stage) -> None:
    """P6: every device is gone, so neither the memory nor the compacted state topic knows of any."""
    counts = stage.counts()
    assert (counts.get("live_devices"), counts.get("open_steps")) == (0, 0)
    world.log.compact(world.state_topic)
    assert world.records(world.state_topic) == []

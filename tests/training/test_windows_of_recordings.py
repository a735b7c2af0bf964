"""The windows that a model is trained with are those that the live stage makes of the same recording."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import TopicSettings
from pipeline.clock import ManualClock
from pipeline.core.policy import Count, Overflow, Tumbling, WindowPolicy
from pipeline.recordings.files import write_recording
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_by_policy, windows_of
from pipeline.records import CloseReason, Reading, Window
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay
from producers.simulator.spec import SENSORS
from tests.support.windows import session_policy
from tests.training.fleet import Fleet

SESSION = session_policy(max_length=40)
POLICIES = {
    "session, split": SESSION,
    "session, truncate": replace(SESSION, overflow=Overflow.TRUNCATE),
    "tumbling": replace(SESSION, shape=Tumbling(size_ms=30_000)),
    "count": replace(SESSION, shape=Count(size=20, step=7, partial_start=True)),
    "session, bad clocks accepted": replace(SESSION, max_ahead_ms=None),
}


class Live:
    """The window stage on a log in memory, fed by a replay."""

    def __init__(self, partitions: int) -> None:
        self._clock = ManualClock(1_000)
        self._log = MemoryLog(self._clock)
        self._partitions = partitions
        self._broker = MemoryBroker(self._log)
        for topic in ("readings", "windows", "rejected"):
            self._broker.create_topic(TopicSettings(topic, partitions))
        self._broker.create_topic(TopicSettings("live.window.readings.state", partitions, compacted=True))

    def windows(self, recording: Path, policy: WindowPolicy) -> tuple[list[Window], Counter[str]]:
        """The windows, and the counts of the stage."""
        pacer = Pacer(self._clock, threading.Event())
        replay(self._broker, "readings", in_replay_order(recording).readings, ReplayPolicy(policy.idle_timeout_ms, speed=None), pacer)
        stage = WindowStage(WindowTopics("readings", "windows", "rejected"), policy, ReadingDecoder(SENSORS), None)
        Runner(lambda: MemoryBroker(self._log), stage, SessionOptions("live.window"), self._clock, Finish.UNTIL_END).run(threading.Event())
        records = [record for number in range(self._partitions) for record in self._log.read("windows", number, 0, 1_000_000)]
        return [decode_window(record.value or b"") for record in records], Counter(stage.counts())


def by_device(windows: list[Window]) -> dict[str, list[tuple[str, str, CloseReason, int, bool, int]]]:
    """Ids, contents and what else the scorer looks at, in order, by device."""
    found: dict[str, list[tuple[str, str, CloseReason, int, bool, int]]] = {}
    for window in windows:
        it = (window.id, window.hash, window.reason, window.position, window.too_short, window.merged)
        found.setdefault(window.device, []).append(it)
    return found


@pytest.mark.parametrize(
    ("policy", "partitions"), [(SESSION, 1), *((policy, 3) for policy in POLICIES.values())], ids=["one partition", *POLICIES]
)
def test_a_recording_gives_the_windows_of_its_replay(policy: WindowPolicy, partitions: int, fleet: Fleet) -> None:
    live, stage_counts = Live(partitions).windows(fleet.recording, policy)
    counts: Counter[str] = Counter()
    offline = list(windows_of(in_replay_order(fleet.recording).readings, policy, ReadingDecoder(SENSORS), counts))
    assert by_device(offline) == by_device(live)
    assert len(offline) > 300
    wanted = ["received", "merged", *(name for name in stage_counts if name.startswith("rejected_"))]
    assert [counts[name] for name in wanted] == [stage_counts[name] for name in wanted]


def test_the_fleet_has_faults_for_the_comparison(fleet: Fleet) -> None:
    counts: Counter[str] = Counter()
    windows = list(windows_of(in_replay_order(fleet.recording).readings, SESSION, ReadingDecoder(SENSORS), counts))
    assert min(counts["merged"], counts["rejected_late"], counts["rejected_future"]) > 0
    assert {window.reason for window in windows} >= {CloseReason.GAP, CloseReason.IDLE, CloseReason.MAX_LENGTH}


def test_what_the_wire_would_refuse_is_counted_and_makes_no_window() -> None:
    readings = [Reading("a", 1_000, {"x": 1.0}), Reading("", 2_000, {"x": 1.0}), Reading("a", 3_000, {"other": 1.0})]
    counts: Counter[str] = Counter()
    windows = list(windows_of(readings, SESSION, ReadingDecoder(["x"]), counts))
    assert [(window.device, window.length) for window in windows] == [("a", 1)]
    assert (counts["received"], counts["rejected_schema"], counts["rejected_empty"]) == (3, 1, 1)


def test_a_recording_without_readings_has_no_windows() -> None:
    assert list(windows_of([], SESSION, ReadingDecoder(["x"]))) == []


def test_several_policies_at_once_give_what_each_gives_alone(fleet: Fleet) -> None:
    policies = list(POLICIES.values())
    together: list[list[Window]] = [[] for _ in policies]
    for index, window in windows_by_policy(in_replay_order(fleet.recording).readings, policies, ReadingDecoder(SENSORS)):
        together[index].append(window)
    assert together == [fleet.windows(policy) for policy in policies]


def test_the_order_of_the_file_does_not_matter_where_arrivals_are_recorded(fleet: Fleet, tmp_path: Path) -> None:
    readings = list(in_replay_order(fleet.recording).readings)
    shuffled = tmp_path / "shuffled.jsonl"
    # A stable sort brings equal arrivals back in file order, so only the blocks of different arrivals may be moved.
    blocks: dict[int | None, list[Reading]] = {}
    for reading in readings:
        blocks.setdefault(reading.arrival, []).append(reading)
    write_recording(shuffled, (reading for block in reversed(blocks.values()) for reading in block), SENSORS)
    assert by_device(Fleet(shuffled, fleet.labels).windows(SESSION)) == by_device(fleet.windows(SESSION))

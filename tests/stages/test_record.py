"""The record stage: whatever happens to it, a recording holds each reading once, and a replay of it gives the live windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.brokers.protocol import Position, Record
from pipeline.core.policy import Shape, WindowPolicy
from pipeline.errors import SensorlineError, StateRefused
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.parts import DAY_MS, Missing, covering, parts_in
from pipeline.recordings.recorded import recorded_topics, the_topic
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading, Window
from pipeline.stages.protocol import Handover
from pipeline.stages.record import RecordStage
from pipeline.stages.record_partition import Content
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder, encode_reading
from pipeline.wire.rejected import RawRecord
from pipeline.wire.windows import decode_window
from tests.support.oracle import Shown, shown
from tests.support.streams import SENSORS, SHAPES, Heartbeat, Replay, events, log_of, policies, random_event, random_policy

START_MS = 1_767_225_600_000
CLOSING = Record("readings", 0, 10_000, 0, b"", None, (("arrival", b"100000"),))
READINGS = Content("readings", SENSORS)

live_events = events.filter(
    lambda event: not isinstance(event, Replay) and not (isinstance(event, Heartbeat) and event.arrival is not None)
)


def new_stage(folder: Path, content: Content = READINGS) -> RecordStage:
    return RecordStage("readings", content, folder / "readings")


def record_all(log: Sequence[Record], folder: Path, content: Content = READINGS) -> None:
    stage = new_stage(folder, content)
    stage.assign(Handover(0, 0))
    stage.step(log, 0)
    stage.checkpoint(0)


def record_with_crashes(log: Sequence[Record], folder: Path, random: Random) -> int:
    """Files are completed now and then; often the process dies before the position is committed. Returns how often."""
    stage, committed, crashes = new_stage(folder), None, 0
    stage.assign(Handover(0, 0))
    committed = stage.checkpoint(0).position
    place = 0
    while place < len(log):
        chunk = log[place : place + random.randint(1, 6)]
        stage.step(chunk, 0)
        place += len(chunk)
        happens = random.random()
        if happens < 0.5:
            position = stage.checkpoint(0).position
            committed = position if happens < 0.25 else committed
        if 0.15 < happens < 0.65:
            crashes += 1
            stage, place = new_stage(folder), committed.offset
            stage.assign(Handover(0, committed.offset, committed))
    stage.checkpoint(0)
    return crashes


def rows_of(folder: Path) -> list[Reading]:
    return [reading for topic in recorded_topics(folder) for segment in topic.segments for reading in topic.readings(segment)]


def live_windows(log: Iterable[Record], policy: WindowPolicy) -> Counter[tuple[object, ...]]:
    stage = WindowStage(WindowTopics("readings", "windows", "rejected"), policy, ReadingDecoder(SENSORS), None)
    stage.assign(Handover(0, 0, writer="first"))
    messages = stage.step([*log, CLOSING], 0)
    return Counter(but_reason(shown(decode_window(message.value or b""))) for message in messages if message.topic == "windows")


def replayed_windows(folder: Path, policy: WindowPolicy) -> Counter[tuple[object, ...]]:
    windows: list[Window] = []
    for topic in recorded_topics(folder):
        for segment in topic.segments:
            windows += windows_of(topic.readings(segment), policy, ReadingDecoder(SENSORS))
    return Counter(but_reason(shown(window)) for window in windows)


def but_reason(window: Shown) -> tuple[object, ...]:
    """A segment that was ended by a reset ends in its replay by a closing tick."""
    return (*window[:3], *window[4:])


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
@settings(deadline=None, max_examples=30)  # files
@given(data=st.data())
def test_a_replay_of_a_recording_gives_the_windows_of_the_log_without_its_ticks(shape: Shape, data: st.DataObject) -> None:
    policy = data.draw(policies([shape]))
    log = log_of(data.draw(st.lists(live_events, min_size=5, max_size=40)))
    with TemporaryDirectory() as folder:
        record_all(log, Path(folder))
        assert replayed_windows(Path(folder), policy) == live_windows(log, policy)


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_log_that_was_replayed_into_gives_its_windows_segment_by_segment_after_any_crashes(shape: Shape, tmp_path: Path) -> None:
    crashes = segments = 0
    for seed in range(12):
        random = Random(seed)
        # A clock that went back is recorded as standing still, so max_ahead and max_behind may judge otherwise.
        policy = replace(random_policy(random, [shape]), max_ahead_ms=None, max_behind_ms=None)
        log = log_of(random_event(random) for _ in range(60))
        folder = tmp_path / str(seed)
        crashes += record_with_crashes(log, folder, random)
        assert replayed_windows(folder, policy) == live_windows(log, policy), f"stream {seed}"
        segments += sum(len(topic.segments) for topic in recorded_topics(folder))
    assert crashes > 60
    assert segments > 18, "most logs were replayed into"


@pytest.mark.parametrize("seed", range(10))
def test_crashes_leave_no_reading_out_and_none_twice(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    log = log_of(random_event(random) for _ in range(60))
    record_all(log, tmp_path / "whole")
    record_with_crashes(log, tmp_path / "crashed", random)
    assert rows_of(tmp_path / "crashed") == rows_of(tmp_path / "whole")
    (topic,) = recorded_topics(tmp_path / "crashed")
    assert topic.missing == ()


def reading(number: int, arrival: int = START_MS) -> Record:
    value = encode_reading(Reading("pump-7", START_MS + number, {"a": float(number)}))
    return Record("readings", 0, number, arrival, b"pump-7", value)


def test_a_part_of_a_process_that_had_lost_its_partition_is_read_once(tmp_path: Path) -> None:
    owner, zombie = new_stage(tmp_path), new_stage(tmp_path)
    log = [reading(number) for number in range(10)]
    for stage in (owner, zombie):
        stage.assign(Handover(0, 0))
    zombie.step(log[:5], 0)
    owner.step(log[:3], 0)
    owner.checkpoint(0)
    owner.step(log[3:], 0)
    zombie.checkpoint(0)
    owner.checkpoint(0)
    assert len(parts_in(tmp_path / "readings")) == 3
    assert [row.values["a"] for row in rows_of(tmp_path)] == list(range(10))


def test_a_restart_after_such_a_part_goes_on_behind_it(tmp_path: Path) -> None:
    stage, zombie = new_stage(tmp_path), new_stage(tmp_path)
    log = [reading(number) for number in range(10)]
    for one in (stage, zombie):
        one.assign(Handover(0, 0))
    stage.step(log[:3], 0)
    committed = stage.checkpoint(0).position
    zombie.step(log[:5], 0)
    zombie.checkpoint(0)
    restarted = new_stage(tmp_path)
    restarted.assign(Handover(0, committed.offset, committed))
    restarted.step(log[3:], 0)
    restarted.checkpoint(0)
    assert [row.values["a"] for row in rows_of(tmp_path)] == list(range(10))


def test_another_groups_recording_is_not_written_into(tmp_path: Path) -> None:
    record_all([reading(number) for number in range(10)], tmp_path)
    with pytest.raises(StateRefused, match="up to offset 10, which this group did not record"):
        new_stage(tmp_path).assign(Handover(0, 0))


def test_a_position_that_was_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateRefused, match="was not written by `sensorline record`"):
        new_stage(tmp_path).assign(Handover(0, 5, Position(0, 5, "")))


def test_records_that_the_log_lost_before_they_were_recorded_show_as_missing(tmp_path: Path) -> None:
    record_all([reading(number) for number in range(10)], tmp_path)
    stage = new_stage(tmp_path)
    stage.assign(Handover(0, 25, Position(0, 10, ""), fresh=True))
    stage.step([reading(number) for number in range(25, 30)], 0)
    stage.checkpoint(0)
    (topic,) = recorded_topics(tmp_path)
    assert topic.missing == (Missing(0, 10, 25),)


def test_a_day_has_a_folder_of_its_own(tmp_path: Path) -> None:
    record_all([reading(0), reading(1, START_MS + DAY_MS - 1), reading(2, START_MS + DAY_MS)], tmp_path)
    assert sorted(path.name for path in (tmp_path / "readings").iterdir()) == ["day=2026-01-01", "day=2026-01-02"]
    pieces, missing = covering(parts_in(tmp_path / "readings"))
    assert [piece.part.place.end for piece in pieces] == [2, 3]
    assert missing == []


def test_what_cannot_be_decoded_is_counted_by_reason(tmp_path: Path) -> None:
    broken = [
        Record("readings", 0, 0, START_MS, b"x", b"{"),
        Record("readings", 0, 1, START_MS, b"y", b'{"device":"x","time":1,"values":{}}'),
    ]
    stage = new_stage(tmp_path)
    stage.assign(Handover(0, 0))
    stage.step(broken, 0)
    stage.checkpoint(0)
    assert {name: count for name, count in stage.counts().items() if name.startswith("refused")} == {"refused_json": 1, "refused_key": 1}
    assert rows_of(tmp_path) == []


def test_a_batch_becomes_its_readings_and_a_code_stays_a_text(tmp_path: Path) -> None:
    value = b'{"device":"m","times":[1,2,3],"values":{"mode":["off","on",null],"t":[0.1,null,3]}}'
    content = Content("readings", ("t", "mode"), {"mode": ("on", "off")})
    record_all([Record("readings", 0, 0, START_MS, b"m", value)], tmp_path, content)
    rows = list(in_replay_order(tmp_path).readings)
    tenth = 0.10000000149011612  # the float32 that the windower takes
    assert [row.values for row in rows] == [{"t": tenth, "mode": "off"}, {"mode": "on"}, {"t": 3.0}]
    assert [row.arrival for row in rows] == [START_MS] * 3


def test_rejected_records_are_kept_as_they_are(tmp_path: Path) -> None:
    record_all([Record("rejected", 0, 0, START_MS, b"k", b"\xff", (("reason", b"json"),))], tmp_path, Content("rejected"))
    assert list(the_topic(tmp_path, "rejected").items(RawRecord)) == [RawRecord(b"k", b"\xff", {"reason": b"json"})]


def test_what_cannot_be_written_stays_in_memory_and_is_not_committed(tmp_path: Path) -> None:
    stage = new_stage(tmp_path)
    stage.assign(Handover(0, 0))
    stage.step([reading(number) for number in range(10)], 0)
    obstacle = tmp_path / "readings" / "day=2026-01-01"
    obstacle.parent.mkdir()
    obstacle.write_text("in the way")
    with pytest.raises(SensorlineError, match="cannot be made a folder"):
        stage.checkpoint(0)
    obstacle.unlink()
    assert stage.checkpoint(0).position.offset == 10
    assert len(rows_of(tmp_path)) == 10


def test_leftovers_of_a_killed_process_are_removed_and_never_read(tmp_path: Path) -> None:
    record_all([reading(number) for number in range(3)], tmp_path)
    (part,) = parts_in(tmp_path / "readings")
    leftover = part.path.with_name(".part-00000-0000-000000000003-000000000009.parquet.77.tmp")
    leftover.write_bytes(b"half a file")
    assert len(rows_of(tmp_path)) == 3
    committed = Position(0, 3, '{"since":3}')
    new_stage(tmp_path).assign(Handover(0, 3, committed))
    assert not leftover.exists()

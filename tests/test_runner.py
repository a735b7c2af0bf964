"""The runner, a turn at a time, on a log in memory with a manual clock."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Record, TopicSettings
from pipeline.clock import ManualClock
from pipeline.core.policy import Keep, Overflow, Session, WindowPolicy
from pipeline.errors import MissingTopic, StateRefused
from pipeline.metrics import RunnerCollector, serve_metrics
from pipeline.process import run_all, stop_on_signals
from pipeline.records import CloseReason, Reading, Window
from pipeline.runner import Finish, Runner
from pipeline.session import Session as RunnerSession
from pipeline.session import SessionOptions
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder, encode_reading
from pipeline.wire.windows import decode_window, window_times
from tests.support.commands import eventually

TOPICS = WindowTopics("readings", "windows", "rejected")
OPTIONS = SessionOptions("pump.window")


class House:
    """A log in memory with its topics, a clock, and what a producer and a downstream consumer do."""

    def __init__(self, partitions: int = 1) -> None:
        self.clock = ManualClock(1_000_000)
        self.log = MemoryLog(self.clock)
        self.broker = self.connect()
        for topic in ("readings", "windows", "rejected"):
            self.broker.create_topic(TopicSettings(topic, partitions))
        for state in ("pump.window.readings", "other.window.readings", "pump.second.windows"):
            self.broker.create_topic(TopicSettings(f"{state}.state", partitions, compacted=True))
        self._publisher = self.broker.publisher()

    def connect(self) -> MemoryBroker:
        return MemoryBroker(self.log)

    def stage(self, topics: WindowTopics = TOPICS) -> WindowStage:
        policy = WindowPolicy(Session(10_000), 0, 60_000, 256, Overflow.SPLIT, Keep.LAST, max_ahead_ms=None)
        return WindowStage(topics, policy, ReadingDecoder(["a"]), 1000)

    def session(self) -> RunnerSession:
        return RunnerSession(self.connect(), self.stage(), OPTIONS, self.clock)

    def runner(self, finish: Finish) -> Runner:
        return Runner(self.connect, self.stage(), OPTIONS, self.clock, finish)

    def publish(self, *readings: tuple[str, int]) -> None:
        for device, time in readings:
            reading = Reading(device, time, {"a": 1.0})
            self._publisher.send(Message("readings", device.encode(), encode_reading(reading)))
        self._publisher.flush()

    def records(self, topic: str) -> list[Record]:
        ends = self.broker.end_offsets(topic)
        return [record for partition in ends for record in self.log.read(topic, partition, 0, 10_000)]

    def windows(self) -> list[Window]:
        return [decode_window(record.value or b"") for record in self.records("windows")]

    def pass_time(self, session: RunnerSession, ms: int) -> None:
        """Lets time pass in half seconds, with turns until nothing more comes."""
        for _ in range(0, ms, 500):
            self.clock.advance(500)
            while session.turn(0):
                pass


@pytest.fixture
def house() -> House:
    return House()


def turns(session: RunnerSession) -> None:
    session.turn(0)  # the assignment
    while session.turn(0):
        pass


def test_a_silent_fleet_is_closed_by_ticks_on_the_log(house: House) -> None:
    session = house.session()
    house.publish(("d", 1), ("d", 2))
    turns(session)
    house.pass_time(session, 59_000)
    assert house.windows() == []
    house.pass_time(session, 3_000)
    (window,) = house.windows()
    assert (window.reason, window_times(window)) == (CloseReason.IDLE, (1, 2))
    ticks = [record for record in house.records("readings") if record.value is None]
    assert 30 <= len(ticks) <= 62
    house.pass_time(session, 30_000)
    assert len([record for record in house.records("readings") if record.value is None]) == len(ticks), "nothing waits: no ticks"


def test_no_tick_is_sent_while_readings_keep_coming_or_wait_to_be_read(house: House) -> None:
    session = house.session()
    turns(session)
    for time in range(20):
        house.publish(("d", time))
        house.pass_time(session, 500)
    assert [record for record in house.records("readings") if record.value is None] == []


def test_a_windower_that_stood_still_makes_the_same_windows(house: House) -> None:
    """An outage: the readings wait on the log, and a live windower has been ticking meanwhile."""
    live, stalled = house.session(), RunnerSession(house.connect(), house.stage(), SessionOptions("other.window"), house.clock)
    for moment in (0, 5, 30, 32):
        house.publish(("d", moment * 1000), ("e", moment * 1000))
        house.pass_time(live, 9_000)
    house.pass_time(live, 70_000)
    first = house.windows()
    turns(stalled)
    both = house.windows()
    assert [(w.id, w.hash, w.reason) for w in both[len(first) :]] == [(w.id, w.hash, w.reason) for w in first]
    assert len(first) == 4


def test_a_restart_goes_on_with_the_windows_that_were_open(house: House) -> None:
    session = house.session()
    house.publish(("d", 1), ("d", 2))
    turns(session)
    session.checkpoint()
    house.publish(("d", 3))
    session.turn(0)
    session.close()  # what came after the checkpoint is read again
    again = house.session()
    turns(again)
    house.pass_time(again, 62_000)
    assert [window_times(window) for window in house.windows()] == [(1, 2, 3)]


def test_the_state_of_a_device_that_is_gone_is_deleted(house: House) -> None:
    house.publish(("d", 1))
    house.runner(Finish.DRAIN).run(threading.Event())
    house.runner(Finish.DRAIN).run(threading.Event())
    house.log.compact("pump.window.readings.state")
    assert house.records("pump.window.readings.state") == []


def test_draining_closes_what_is_open_and_commits_behind_it(house: House) -> None:
    house.publish(("d", 1), ("e", 2))
    house.runner(Finish.DRAIN).run(threading.Event())
    assert [(w.device, w.reason) for w in house.windows()] == [("d", CloseReason.END), ("e", CloseReason.END)]
    house.runner(Finish.DRAIN).run(threading.Event())
    assert len(house.windows()) == 2


def test_until_end_keeps_what_is_open(house: House) -> None:
    house.publish(("d", 1), ("d", 20_000))
    house.runner(Finish.UNTIL_END).run(threading.Event())
    assert [window_times(window) for window in house.windows()] == [(1,)]
    house.publish(("d", 20_001))
    house.runner(Finish.DRAIN).run(threading.Event())
    assert [window_times(window) for window in house.windows()][-1] == (20_000, 20_001)


def test_a_run_to_the_end_that_another_member_keeps_waiting_says_so_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.publish(("d", 1))
    member = house.session()
    member.turn(0)
    assert member.partitions
    waiting = threading.Thread(target=house.runner(Finish.DRAIN).run, args=(threading.Event(),))
    waiting.start()

    def said_after_a_minute() -> bool:
        house.clock.advance(1_000)
        return house.clock.now_ms() > 1_060_000 and "waiting" in caplog.text

    try:
        eventually(said_after_a_minute, 30)
    finally:
        member.close()
    waiting.join(30)
    assert not waiting.is_alive()
    assert [window_times(window) for window in house.windows()] == [(1,)]
    said = [record.getMessage() for record in caplog.records if "waiting" in record.getMessage()]
    assert len(said) == 1
    assert "other members of the group pump.window have all partitions" in said[0]


def test_a_second_stage_ends_after_the_first(house: House) -> None:
    """A second windower reads the first one's output topic: it must see all of it, and only then end."""
    house.publish(*[("d", 20_000 * i) for i in range(50)])
    first = house.runner(Finish.DRAIN)
    other = house.stage(WindowTopics("windows", "rejected", "rejected"))
    second = Runner(house.connect, other, SessionOptions("pump.second"), house.clock, Finish.DRAIN)
    run_all([first, second], threading.Event())
    assert other.counts()["received"] == 50


def test_the_error_of_one_stage_stops_all_and_is_raised(house: House) -> None:
    lost = house.stage(WindowTopics("missing", "windows", "rejected"))
    with pytest.raises(MissingTopic, match="missing"):
        run_all([house.runner(Finish.NEVER), Runner(house.connect, lost, OPTIONS, house.clock)], threading.Event())


def test_the_error_of_an_optional_stage_ends_that_stage_only(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.publish(("d", 1))
    lost = Runner(house.connect, house.stage(WindowTopics("missing", "windows", "rejected")), OPTIONS, house.clock)
    run_all([house.runner(Finish.DRAIN), lost], threading.Event(), optional=[lost])
    assert [window.device for window in house.windows()] == ["d"]
    assert lost.finished.is_set()
    assert "the others go on" in caplog.text


def test_a_signal_that_another_thread_gets_stops_the_stages(house: House) -> None:
    """The kernel chooses the thread; Python runs the handler in the main one, which waits for the stages meanwhile."""
    other = threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    with stop_on_signals() as stop:
        unheard = threading.Timer(20, stop.set)
        unheard.start()
        other.start()
        run_all([house.runner(Finish.NEVER)], stop)
        assert unheard.is_alive()
        unheard.cancel()


def test_a_stop_ends_a_run_and_publishes_what_was_made(house: House) -> None:
    house.publish(("d", 1), ("d", 20_000))
    stop = threading.Event()
    runner = house.runner(Finish.NEVER)
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    reader = house.connect().consumer("windows", None)
    seen: Sequence[Record] = ()
    while not seen:
        seen = reader.poll(1.0).records
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert runner.finished.is_set()


def test_the_counts_are_served_as_metrics(house: House) -> None:
    house.publish(("d", 1), ("d", 20_000))
    runner = house.runner(Finish.DRAIN)
    runner.run(threading.Event())
    registry = CollectorRegistry()
    registry.register(RunnerCollector("pump", [runner]))
    labels = {"pipeline": "pump", "stage": "window"}
    assert registry.get_sample_value("sensorline_received_total", labels) == 2
    assert registry.get_sample_value("sensorline_windows_closed_total", {**labels, "reason": "gap"}) == 1
    assert registry.get_sample_value("sensorline_records_in_total", labels) == 2


def test_a_busy_metrics_port_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        serve_metrics(taken.getsockname()[1], "pump", [])
    assert "going on without metrics" in caplog.text


def test_much_unsaved_state_does_not_wait_for_the_interval(house: House) -> None:
    session = RunnerSession(house.connect(), house.stage(), SessionOptions("pump.window", checkpoint_bytes=500), house.clock)
    turns(session)
    house.publish(("d", 1), ("e", 2))
    session.turn(0)
    assert house.records("pump.window.readings.state") == []
    house.publish(*[("d", time) for time in range(2, 20)])
    session.turn(0)
    assert len(house.records("pump.window.readings.state")) == 2


def test_a_state_that_its_topic_does_not_take_is_refused_with_what_to_do(house: House) -> None:
    """A configuration is checked for this, but for late steps, of which nobody knows how many windows they keep."""
    house.broker.create_topic(TopicSettings("small.window.readings.state", 1, compacted=True, max_message_bytes=1_000))
    session = RunnerSession(house.connect(), house.stage(), SessionOptions("small.window"), house.clock)
    turns(session)
    house.publish(*[("d", time) for time in range(200)])
    turns(session)
    with pytest.raises(StateRefused, match=r"^partition 0: what is open of one device cannot be saved: .*1000 bytes\); lower window\."):
        session.checkpoint()

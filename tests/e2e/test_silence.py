"""Devices that fall silent, and a windower that stands still, with real windower processes and the time of the day."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count

import pytest

from pipeline.clock import SystemClock
from pipeline.records import CloseReason, Reading
from tests.e2e.conftest import StartPipeline
from tests.support.commands import STARTS_WITHIN_S, Running, eventually
from tests.support.flows import contents, distinct
from tests.support.pipelines import Pipeline

SECTIONS = """[sensors]
names = ["a"]
[window]
gap = "1s"
out_of_orderness = "200ms"
idle_timeout = "2s"
tick_interval = "500ms"
"""
IDLE_S, TICK_S, MARGIN_S = 2.0, 0.5, 3.0
PERIOD_S = 0.3

_clock = SystemClock()
_visits = count()


def live(device: str) -> Reading:
    """A reading that is made now."""
    return Reading(device, _clock.now_ms(), {"a": 1.0})


def start_windowers(*pipelines: Pipeline) -> list[Running]:
    """One for each; returns when they have all partitions."""
    windowers = [pipeline.start("window") for pipeline in pipelines]
    for pipeline, windower in zip(pipelines, windowers, strict=True):
        windower.await_partitions(pipeline.partitions)
    return windowers


def test_a_device_that_falls_silent_is_closed_while_others_go_on(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    (windower,) = start_windowers(pipeline)
    pipeline.publish(live("silent"), live("busy"))

    def closed_while_others_go_on() -> list[CloseReason]:
        pipeline.publish(live("busy"))
        return [window.reason for window in pipeline.windows() if window.device == "silent"]

    assert eventually(closed_while_others_go_on, IDLE_S + TICK_S + MARGIN_S) == [CloseReason.IDLE]
    assert windower.interrupt() == 0


def test_a_fleet_that_falls_silent_is_closed(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    (windower,) = start_windowers(pipeline)
    fleet = [f"pump-{number}" for number in range(6)]  # in all partitions
    pipeline.publish(*[live(device) for device in fleet])
    eventually(lambda: pipeline.count("windows") == len(fleet), IDLE_S + TICK_S + MARGIN_S, lambda: windower.said)
    assert {(window.device, window.reason) for window in pipeline.windows()} == {(device, CloseReason.IDLE) for device in fleet}
    assert windower.interrupt() == 0


def publish_live(pipeline: Pipeline, at_least_s: float, until: Callable[[], bool] = lambda: True) -> int:
    """Readings of devices that come and go, at their pace, for so long and until the condition holds; returns how many."""
    published, begun_s, pace = 0, time.monotonic(), threading.Event()
    while time.monotonic() < begun_s + at_least_s or not until():
        assert time.monotonic() < begun_s + at_least_s + STARTS_WITHIN_S, "the condition never holds"
        pipeline.publish(live("steady"), live(f"visitor-{next(_visits) // 3}"))
        published += 2
        pace.wait(PERIOD_S)
    return published


@pytest.mark.parametrize(
    ("start_pipeline", "frozen_s"),
    [("sqlite", 2.5), ("kafka", 2.5), ("kafka", 8.0)],
    ids=["sqlite", "kafka, within the session timeout", "kafka, past the session timeout"],
    indirect=["start_pipeline"],
)
def test_a_windower_that_stood_still_closes_the_same_windows(start_pipeline: StartPipeline, frozen_s: float) -> None:
    pipeline = start_pipeline(SECTIONS)
    other = pipeline.beside()
    frozen, steady = start_windowers(pipeline, other)
    published = publish_live(pipeline, 1.0)
    frozen.freeze()
    published += publish_live(pipeline, frozen_s, until=lambda: other.count("windows") > pipeline.count("windows"))
    frozen.thaw()
    published += publish_live(pipeline, 1.0)

    def all_closed() -> bool:
        return all(sum(window.length for window in distinct(one.windows())) == published for one in (pipeline, other))

    eventually(all_closed, STARTS_WITHIN_S, lambda: frozen.said)
    assert contents(pipeline.windows()) == contents(other.windows())
    assert pipeline.count("rejected") == other.count("rejected") == 0
    if pipeline.url.startswith("kafka") and frozen_s > pipeline.settings.broker.kafka.session_timeout_ms / 1000:
        assert "revoked" in frozen.said or "going back" in frozen.said, "the group must have given its partitions up"
    assert (frozen.interrupt(), steady.interrupt()) == (0, 0)

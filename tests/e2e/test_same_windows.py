"""One recording, one set of windows: on every broker, at every pace, with any poll size and number of partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest

from pipeline.brokers.protocol import Broker
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading
from pipeline.wire.readings import ReadingDecoder
from producers.simulator.fleet import readings
from producers.simulator.spec import SENSORS
from tests.support.flows import Flow, Identity, contents, own_settings
from tests.support.simulated import FLEET

WINDOW = {"gap": "15s", "max_length": 40, "max_behind": "1h"}


class Pass(NamedTuple):
    """How one pass over the recording goes. `speed` None: as fast as possible."""

    speed: float | None
    max_records: int
    partitions: int


class Recorded(NamedTuple):
    """The recording, and what the windower makes of it without a log."""

    readings: list[Reading]
    windows: Mapping[Identity, str]
    counts: Counter[str]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    recording = list(readings(FLEET))
    policy = own_settings(sensors={"names": SENSORS}, window=WINDOW).window.policy()
    counts: Counter[str] = Counter()
    windows = contents(windows_of(recording, policy, ReadingDecoder(SENSORS), counts))
    return Recorded(recording, windows, counts)


def test_the_recording_has_every_fault(recorded: Recorded) -> None:
    assert all(recorded.counts[fault] > 5 for fault in ("rejected_late", "rejected_future", "rejected_past", "merged"))
    assert len(recorded.windows) > 100


@pytest.mark.parametrize("way", [Pass(None, 2000, 1), Pass(4000, 1, 3), Pass(2000, 7, 4), Pass(1200, 100, 3)], ids=str)
def test_pace_poll_size_partitions_and_broker_change_no_window(recorded: Recorded, connect: Callable[[], Broker], way: Pass) -> None:
    flow = Flow.begin(connect, own_settings(way.partitions, sensors={"names": SENSORS}, window=WINDOW))
    counts = flow.replay(recorded.readings, way.speed, way.max_records)
    windows = flow.windows()
    assert contents(windows) == recorded.windows
    assert len(windows) == len(recorded.windows), "each once"
    for name in ("received", "merged", "rejected_late", "rejected_future", "rejected_past"):
        assert counts[name] == recorded.counts[name]

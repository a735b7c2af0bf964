"""Real processes on a real Kafka under load, killed, frozen, added and removed: what comes out is that of one uninterrupted pass.

About a minute in `make test`, longer with `make soak MINUTES=10` (SENSORLINE_SOAK_MINUTES; SENSORLINE_SOAK_SEED chooses the plan).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from random import Random

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from pipeline.brokers.protocol import Broker, Record
from pipeline.clock import SystemClock
from pipeline.config import load
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.wire.headers import is_tick
from producers.pacing import Pacer
from producers.simulate import publish_fleet
from producers.simulator.spec import Faults, FleetSpec
from tests.soak.crew import Crew
from tests.soak.plan import PARTITIONS, actions, round_length
from tests.soak.verdict import Reference, Verdict
from tests.support.beside import beside
from tests.support.broker_logs import unique_name
from tests.support.failing_process import Place
from tests.support.models import save, sound_model
from tests.support.pipelines import Pipeline

MINUTES = float(os.environ.get("SENSORLINE_SOAK_MINUTES", "0"))
SEED = int(os.environ.get("SENSORLINE_SOAK_SEED", "1"))
SESSION_TIMEOUT_MS = 3_000
FROZEN_FOR_S = 5.0
PAUSE_S = (0.3, 1.5)  # least and most between two actions
SETTLES_WITHIN_S = 90.0
SHIFT_MS = 30_000  # so long a fleet works; then comes one with other dying devices and bad clocks
FLEET = FleetSpec(
    devices=120,
    duration_ms=SHIFT_MS,
    period_ms=200,
    session_readings=(5, 60),
    rest_ms=(2_600, 6_000),
    faults=Faults(gap_rate=0.01, gap_ms=1_300, disorder_rate=0.1, duplicate_rate=0.1, bad_clock_share=0.2, dying_share=0.1),
)
SENSORS = ("temperature", "vibration")  # the machines have one more
SECTIONS = """
[sensors]
names = ["temperature", "vibration"]
[window]
gap = "1s"
max_length = 40
min_length = 3
emit_every = 15
out_of_orderness = "400ms"
allowed_lateness = "400ms"
idle_timeout = "3s"
max_behind = "1h"
[model]
path = "bundle"
[[alerts]]
name = "wear"
output = "rul"
above = 0.57
clear_below = 0.57
for = "2 of 3"
"""


@pytest.fixture
def pipeline(kafka_url: str, tmp_path: Path) -> Iterator[Pipeline]:
    """Topics of four partitions, and a bundle of a small model that scores with random weights, the same in each run."""
    with ExitStack() as processes:
        name = unique_name("soak")
        made = Pipeline(tmp_path, kafka_url, SECTIONS, processes, name, f"{name}.readings", PARTITIONS)
        made.create()
        policy = load(tmp_path / "sensorline.toml", {}).settings.window.policy()
        model = sound_model()
        random = np.random.default_rng(1)
        model.set_weights([random.normal(0, 0.4, weights.shape) for weights in model.get_weights()])
        bundle_model(save(model, tmp_path), tmp_path / "bundle", [ContractSensor(sensor) for sensor in SENSORS], policy)
        yield made


def load_on(pipeline: Pipeline) -> AbstractContextManager[None]:
    """The fleet reports at its own pace until the end of the block."""

    def publish(broker: Broker, stop: threading.Event) -> None:
        for shift in range(10**6):
            if stop.is_set():
                return
            spec = FleetSpec(**{**vars(FLEET), "seed": SEED + shift})
            publish_fleet(broker, pipeline.readings, spec, Pacer(SystemClock(), stop))

    return beside(pipeline, publish)


class Followed:
    """A topic, read on as it grows."""

    def __init__(self, pipeline: Pipeline, kind: str) -> None:
        self.records: list[Record] = []
        self._topic = pipeline.settings.topics.names()[kind]
        self._broker = pipeline.broker
        self._reader = pipeline.broker.consumer(self._topic, None)
        self._reader.poll(0)

    def read(self) -> list[Record]:
        """All that is there now, without ticks."""
        ends = self._broker.end_offsets(self._topic)
        while any(self._reader.position(partition) < end for partition, end in ends.items()):
            self.records += [record for record in self._reader.poll(1.0).records if not is_tick(record)]
        return self.records


def wreak_havoc(crew: Crew, until_s: float) -> list[str]:
    """Action after action, at least a round of all kinds; returns when what was begun has happened."""
    done: list[str] = []
    for action in actions(Random(SEED)):
        if len(done) >= round_length() and time.monotonic() >= until_s:
            break
        action.do(crew, action.stage)
        done.append(f"{action.name} ({action.stage})")
        crew.tend(crew.random.uniform(*PAUSE_S))
    crew.tend(SETTLES_WITHIN_S, lambda: not crew.is_waiting)
    assert not crew.is_waiting, f"not all that was planned has happened: {crew.said()}"
    return done


def settle(crew: Crew, is_complete: Callable[[], bool]) -> None:
    """Waits until the topics hold all that they should, or for as long as that may take: what is missing then is lost."""
    until_s = time.monotonic() + SETTLES_WITHIN_S
    while not is_complete() and time.monotonic() < until_s:
        crew.tend(0.5)


def show(crew: Crew, done: list[str], readings: int, verdicts: list[Verdict]) -> None:
    """The summary, for people."""
    table = Table("soak", f"seed {SEED}")
    table.add_row("actions", str(len(done)))
    for what, number in [*sorted(crew.kills.items()), *sorted(crew.events.items())]:
        table.add_row(f"killed {what}" if what in crew.kills else what, str(number))
    table.add_row("SIGKILLs", str(crew.kills.total()), style="bold")
    table.add_row("readings and ticks", f"{readings:,}")
    for verdict in verdicts:
        counts = f"{verdict.duplicates} duplicates, {len(verdict.lost)} lost, {len(verdict.differing)} differing"
        table.add_row(verdict.what, f"{verdict.wanted:,} wanted; {counts}")
    Console(stderr=True).print(table)


def test_processes_killed_frozen_added_and_removed_under_load_leave_no_trace(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    begun_s = time.monotonic()
    crew = Crew(pipeline.folder, pipeline.processes, Random(SEED), FROZEN_FOR_S, SESSION_TIMEOUT_MS, {"window": 2, "score": 1, "alert": 2})
    topics = {kind: Followed(pipeline, kind) for kind in ("readings", "windows", "predictions", "alerts")}
    with load_on(pipeline):
        crew.tend(SETTLES_WITHIN_S, lambda: bool(topics["predictions"].read()))
        done = wreak_havoc(crew, begun_s + 60 * MINUTES)
        crew.events["seconds under load"] = round(time.monotonic() - begun_s)

    def published() -> dict[str, list[Record]]:
        return {kind: topic.read() for kind, topic in topics.items()}

    reference = Reference.of(topics["readings"].read(), pipeline.settings)
    settle(crew, lambda: reference.is_complete(published()))
    crew.dismiss()
    verdicts = reference.verdicts(published())
    with capsys.disabled():
        show(crew, done, sum(pipeline.broker.end_offsets(pipeline.readings).values()), verdicts)
    assert all(verdict.holds for verdict in verdicts), (verdicts, done)
    assert all(verdict.wanted > 50 for verdict in verdicts)
    assert crew.kills.total() >= max(8, 3 * MINUTES)
    assert crew.kills.keys() >= {place.name.lower().replace("_", " ") for place in Place}

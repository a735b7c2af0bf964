"""A small simulated fleet on disk, and what training makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.policy import WindowPolicy
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_of
from pipeline.records import Window
from pipeline.scoring.contract import ContractSensor
from pipeline.training.dataset import LabelledWindows, label_windows
from pipeline.training.labels import read_label_table
from pipeline.training.recipe import Recipe
from pipeline.wire.readings import ReadingDecoder
from producers.simulate import record_fleet
from producers.simulator.spec import HOUR_MS, SENSORS, FleetSpec

CONTRACT_SENSORS = tuple(ContractSensor(sensor) for sensor in SENSORS)


@dataclass(frozen=True)
class Fleet:
    """A recording and its labels (device, time, wear)."""

    recording: Path
    labels: Path

    def windows(self, policy: WindowPolicy) -> list[Window]:
        return list(windows_of(in_replay_order(self.recording).readings, policy, ReadingDecoder(SENSORS)))

    def labelled(self, policy: WindowPolicy, recipe: Recipe) -> LabelledWindows:
        return label_windows(self.windows(policy), read_label_table(self.labels, recipe))


def record_small_fleet(folder: Path) -> Fleet:
    """Twelve machines with all the usual faults, for two hours; some of them wear out."""
    fleet = Fleet(folder / "recording.parquet", folder / "labels.parquet")
    record_fleet(FleetSpec(devices=12, seed=3, duration_ms=2 * HOUR_MS, life_ms=(HOUR_MS // 2, 2 * HOUR_MS)), fleet.recording, fleet.labels)
    return fleet


def write_table(path: Path, header: str, rows: Iterable[str]) -> Path:
    """A CSV file."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path

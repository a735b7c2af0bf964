"""From the files of a recording and its labels, under a configuration, to what training takes. Knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.config import Settings
from pipeline.core.policy import WindowPolicy
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_by_policy
from pipeline.records import Window
from pipeline.scoring.contract import ContractSensor
from pipeline.training.dataset import LabelledWindows, label_windows
from pipeline.training.labels import read_label_table
from pipeline.training.recipe import Recipe
from pipeline.wire.readings import ReadingDecoder


def recorded_windows(
    settings: Settings, recording: Path, policies: Sequence[WindowPolicy], counts: Counter[str]
) -> Iterator[tuple[int, Window]]:
    """The windows of the recording under each policy: (index of the policy, window). `counts` gets what the windower counts."""
    sensors = settings.sensors
    readings = in_replay_order(recording, tuple(sensors.codes)).readings
    return windows_by_policy(readings, policies, ReadingDecoder(sensors.names, sensors.codes), counts)


def labelled_windows(settings: Settings, recording: Path, labels: Path, recipe: Recipe, counts: Counter[str]) -> LabelledWindows:
    """The windows that the configuration makes of the recording, with the labels that the recipe asks for."""
    table = read_label_table(labels, recipe)
    return label_windows((window for _, window in recorded_windows(settings, recording, [settings.window.policy()], counts)), table)


def contract_sensors(settings: Settings) -> list[ContractSensor]:
    """The configured sensors, not yet scaled."""
    known = settings.sensors
    return [ContractSensor(sensor, known.units.get(sensor), known.codes.get(sensor, ())) for sensor in known.names]

"""From the files of a recording and its labels, under a configuration, to what training takes. Knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import msgspec

from pipeline.config import Settings
from pipeline.core.channels import Unit
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_by_policy
from pipeline.records import Window
from pipeline.scoring.contract import ContractSensor
from pipeline.training.dataset import LabelledWindows, label_windows
from pipeline.training.disturb import Disturbance, disturbed
from pipeline.training.labels import LabelTable, read_label_table
from pipeline.training.recipe import Recipe, Task
from pipeline.training.step_labels import RUL, end_of_life_table, next_step_table, single_steps
from pipeline.training.window_cache import FOLDER, WindowCache, cache_key
from pipeline.wire.readings import ReadingDecoder

AS_RECORDED = Disturbance()


@dataclass(frozen=True)
class TrainingFiles:
    """What to learn from. Labels come from a file, or say what is left until each device's last step in the recording.

    Raises `ConfigurationError` for both.
    """

    recording: Path
    labels: Path | None = None
    end_of_life: Unit | None = None
    thin: tuple[float, ...] = ()  # also learn from the recording with these shares of its readings lost
    cache: Path | None = None  # folder of windows that were made before; None: make them anew

    def __post_init__(self) -> None:
        if self.labels is not None and self.end_of_life is not None:
            raise ConfigurationError("--labels and --end-of-life: labels come from a file or from the recording; leave one of them out")

    @property
    def copies(self) -> tuple[Disturbance, ...]:
        """The recording as it is, and the thinned ones."""
        return (AS_RECORDED, *(Disturbance(drop=share, seed=number) for number, share in enumerate(self.thin, start=1)))


def cache_beside(recording: Path) -> Path:
    """Where windows of a recording are kept unless told otherwise."""
    return recording.absolute().parent / FOLDER


def recorded_windows(
    settings: Settings, recording: Path, policies: Sequence[WindowPolicy], counts: Counter[str], disturbance: Disturbance = AS_RECORDED
) -> Iterator[tuple[int, Window]]:
    """The windows of the recording under each policy: (index of the policy, window). `counts` gets what the windower counts."""
    sensors = settings.sensors
    readings = in_replay_order(recording, tuple(sensors.codes)).readings
    if disturbance != AS_RECORDED:
        readings = disturbed(readings, disturbance)
    return windows_by_policy(readings, policies, ReadingDecoder(sensors.names, sensors.codes), counts)


def labelled_windows(settings: Settings, files: TrainingFiles, recipe: Recipe, counts: Counter[str]) -> LabelledWindows:
    """The windows that the configuration makes of the recording, with the labels that the recipe asks for.

    First those of the recording as it is, then those of each thinned copy. `counts` are of the former.
    """
    policy = settings.window.policy()
    table = _labels(settings, files, recipe)
    whole, *copies = (
        label_windows(_windows(settings, files, policy, Counter() if number else counts, copy), table)
        for number, copy in enumerate(files.copies)
    )
    return replace(sum(copies, whole), thinned=files.thin)


def contract_sensors(settings: Settings) -> list[ContractSensor]:
    """The configured sensors, not yet scaled."""
    known = settings.sensors
    return [ContractSensor(sensor, known.units.get(sensor), known.codes.get(sensor, ())) for sensor in known.names]


def _labels(settings: Settings, files: TrainingFiles, recipe: Recipe) -> LabelTable:
    if files.labels is not None:
        return read_label_table(files.labels, recipe)
    steps = _windows(settings, files, single_steps(settings.window.policy()), Counter(), AS_RECORDED)
    if recipe.task is Task.FORECAST:
        return next_step_table(steps, [sensor for sensor in settings.sensors.names if sensor not in settings.sensors.codes])
    if recipe.task is Task.REGRESSION and files.end_of_life is not None:
        return end_of_life_table(steps, files.end_of_life, recipe.cap, (recipe.outputs or (RUL,))[0])
    raise ConfigurationError("no labels: give --labels FILE, or --end-of-life for regression, or learn to forecast")


def _windows(
    settings: Settings, files: TrainingFiles, policy: WindowPolicy, counts: Counter[str], disturbance: Disturbance
) -> Iterator[Window]:
    """The windows, from the cache if they are there."""

    def made() -> Iterator[Window]:
        for _, window in recorded_windows(settings, files.recording, [policy], counts, disturbance):
            yield window

    if files.cache is None or not files.recording.exists():
        return made()
    sensors = settings.sensors
    facts = (version("sensorline"), policy.spec(tuple(sensors.names)), sensors.codes, msgspec.to_builtins(disturbance))
    return WindowCache(files.cache).windows(cache_key(files.recording, facts), made(), counts)

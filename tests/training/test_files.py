"""From a recording and a configuration to labelled windows: with a labels file, with none, thinned, and from the cache."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Settings, load
from pipeline.core.channels import Unit
from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording, write_recording
from pipeline.training.dataset import LabelledWindows
from pipeline.training.files import TrainingFiles, cache_beside, labelled_windows
from pipeline.training.recipe import Recipe, Task
from producers.simulator.spec import SENSORS
from tests.training.fleet import Fleet

CONFIGURATION = f"""
[sensors]
names = {list(SENSORS)}
[window]
kind = "session"
gap = "10s"
max_length = {{max_length}}
"""


def settings_of(folder: Path, max_length: int = 40) -> Settings:
    path = folder / "sensorline.toml"
    path.write_text(CONFIGURATION.format(max_length=max_length))
    return load(path, {}).settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def files(fleet: Fleet, tmp_path: Path) -> TrainingFiles:
    """A copy of the fleet's recording, with its labels."""
    return TrainingFiles(Path(shutil.copy(fleet.recording, tmp_path)), fleet.labels)


def labelled(settings: Settings, files: TrainingFiles, recipe: Recipe | None = None) -> LabelledWindows:
    return labelled_windows(settings, files, recipe or Recipe(), Counter())


def same(one: LabelledWindows, other: LabelledWindows) -> bool:
    return one.windows == other.windows and np.array_equal(one.targets, other.targets, equal_nan=True)


def cached_files(files: TrainingFiles) -> set[str]:
    return {path.name for path in cache_beside(files.recording).glob("*")}


def test_the_second_time_windows_come_from_the_cache(settings: Settings, files: TrainingFiles) -> None:
    caching = replace(files, cache=cache_beside(files.recording))
    first, counts = labelled(settings, caching), Counter[str]()
    (name,) = cached_files(files)
    changed = (cache_beside(files.recording) / name).stat().st_mtime_ns
    assert same(labelled_windows(settings, caching, Recipe(), counts), first)
    assert (cache_beside(files.recording) / name).stat().st_mtime_ns == changed
    assert counts["received"] == sum(1 for _ in read_recording(files.recording))
    assert same(labelled(settings, files), first)


def test_a_changed_recording_or_window_spec_is_not_found_in_the_cache(settings: Settings, files: TrainingFiles, tmp_path: Path) -> None:
    caching = replace(files, cache=cache_beside(files.recording))
    first = labelled(settings, caching)
    other_spec = labelled(settings_of(tmp_path, max_length=20), caching)
    assert max(window.length for window in other_spec.windows) == 20
    readings = list(read_recording(files.recording))
    write_recording(files.recording, readings[: len(readings) // 2], SENSORS)
    shorter = labelled(settings, caching)
    assert len(shorter.windows) < len(first.windows)
    assert len(cached_files(files)) == 3
    assert same(shorter, labelled(settings, files))


def test_without_a_cache_nothing_is_written(settings: Settings, files: TrainingFiles) -> None:
    labelled(settings, files)
    assert cached_files(files) == set()


def test_what_is_left_to_the_end_needs_no_labels_file(settings: Settings, files: TrainingFiles) -> None:
    found = labelled(settings, TrainingFiles(files.recording, end_of_life=Unit.SECONDS), Recipe(cap=600))
    ends = {window.device: max(other.end for other in found.windows if other.device == window.device) for window in found.windows}
    assert (found.outputs, found.unlabelled) == (("rul",), 0)
    left = [min(600, (ends[window.device] - window.end) / 1_000) for window in found.windows]
    assert found.targets.ravel().tolist() == pytest.approx(left, abs=0.01)


def test_a_forecast_is_of_the_next_step_of_each_device(settings: Settings, files: TrainingFiles) -> None:
    found = labelled(settings, TrainingFiles(files.recording), Recipe(task=Task.FORECAST))
    assert found.outputs == tuple(f"next_{sensor}" for sensor in SENSORS)
    assert found.targets.shape == (len(found.windows), len(SENSORS))
    assert 0 < np.isnan(found.targets).mean() < 0.5, "not every step observes every sensor"
    assert found.unlabelled > 0, "after the last one none is next"


def test_thinned_copies_have_shorter_windows_with_the_label_of_their_own_last_step(settings: Settings, files: TrainingFiles) -> None:
    found = labelled(settings, replace(files, thin=(0.3, 0.6)))
    whole = labelled(settings, files)
    assert same(found.as_recorded, whole)
    steps = [sum(window.length for window, copy in zip(found.windows, found.copies, strict=True) if copy == which) for which in (0, 1, 2)]
    assert steps[1] / steps[0] == pytest.approx(0.7, abs=0.05)
    assert steps[2] / steps[0] == pytest.approx(0.4, abs=0.05)
    wear = {(label.device, label.time): label.values["wear"] for label in read_recording(files.labels or "")}
    for window, target in zip(found.windows, found.targets.ravel().tolist(), strict=True):
        assert target == pytest.approx(wear[window.device, int(np.frombuffer(window.times, "<i8")[-1])])


@pytest.mark.parametrize(
    ("changes", "recipe", "problem"),
    [
        ({"labels": None}, Recipe(), "no labels: give --labels FILE, or --end-of-life"),
        ({"labels": None, "end_of_life": Unit.STEPS}, Recipe(task=Task.CLASSIFICATION), "no labels: give --labels FILE"),
        ({"recording": Path("missing.csv")}, Recipe(), r"missing\.csv: no such file"),
    ],
)
def test_what_cannot_be_learnt_from_is_explained(
    changes: dict[str, object], recipe: Recipe, problem: str, settings: Settings, files: TrainingFiles
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        labelled(settings, replace(files, **changes), recipe)  # type: ignore[arg-type]


def test_labels_come_from_one_place(files: TrainingFiles) -> None:
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        replace(files, end_of_life=Unit.STEPS)


def test_a_share_to_be_lost_is_a_share(settings: Settings, files: TrainingFiles) -> None:
    with pytest.raises(ConfigurationError, match=r"drop = 1\.5: must be a share"):
        labelled(settings, replace(files, thin=(1.5,)))

"""Bundles of small models for a configuration, and windows for them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.config import Settings
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.contract import ContractSensor
from tests.support.models import layers, save, sequential, sound_model

SENSORS = ("temperature", "vibration")
SETTINGS = {"sensors": {"names": SENSORS}, "window": {"gap": "10s"}}
NAMES = ("first", "second", "other_sensors", "other_windows", "other_output")

Place = Callable[[str], Path]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bundles, by name. The first two are good; of the others each is for something else."""
    folder = tmp_path_factory.mktemp("bundles")
    policy = Settings.model_validate(SETTINGS).window.policy()
    longer = Settings.model_validate({**SETTINGS, "window": {"gap": "20s"}}).window.policy()
    bigger = sequential(layers.Masking(), layers.LSTM(7), layers.Dense(1, name="rul"))
    classes = sequential(layers.Masking(), layers.LSTM(5), layers.Dense(1, name="wear"))
    made = {
        "first": (sound_model(), SENSORS, policy, "1"),
        "second": (bigger, SENSORS, policy, "2"),
        "other_sensors": (sound_model(), ("temperature", "pressure"), policy, "3"),
        "other_windows": (sound_model(), SENSORS, longer, "4"),
        "other_output": (classes, SENSORS, policy, "5"),
    }
    for name, (model, sensors, windows, version) in made.items():
        file = save(model, folder / "keras" / name)
        bundle_model(file, folder / name, [ContractSensor(sensor) for sensor in sensors], windows, Adoption("pump", version))
    return folder


@pytest.fixture
def place(bundles: Path, tmp_path: Path) -> Place:
    """Puts a bundle, by its name, in the place of the configured one, as `write_bundle` does: at once. Returns the place."""

    def put(name: str) -> Path:
        target = tmp_path / "pump"
        if target.exists():
            target.rename(tmp_path / f"old-{len(list(tmp_path.iterdir()))}")
        shutil.copytree(bundles / name, tmp_path / "incoming")
        return (tmp_path / "incoming").rename(target)

    return put


def settings_with(path: Path, shadow: Path | None = None, alerts: Sequence[object] = ()) -> Settings:
    """The configuration with the bundle at `path`."""
    return Settings.model_validate({**SETTINGS, "model": {"path": path, "shadow": shadow}, "alerts": alerts})

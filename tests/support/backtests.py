"""A folder with a configuration, a recording of the simulated fleet and two untrained models: all that a backtest needs."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.contract import ContractSensor
from producers.simulate import record_fleet
from tests.support.models import layers, save, sequential
from tests.support.simulated import FLEET, SECTIONS

ALERTS = '[[alerts]]\nname = "worn"\noutput = "wear"\nabove = 0.0\nclear_below = 0.0\n'


def make_project(folder: Path, alerts: str = ALERTS) -> Path:
    """`sensorline.toml`, `fleet.parquet`, `models/one` (the configured one) and `models/two`."""
    (folder / "sensorline.toml").write_text(f'{SECTIONS}[model]\npath = "models/one"\n{alerts}', "utf-8")
    record_fleet(FLEET, folder / "fleet.parquet")
    add_model(folder, "one", 4)
    add_model(folder, "two", 5)
    return folder


def add_model(folder: Path, name: str, units: int) -> None:
    """A bundle `models/NAME` for the windows of the folder's configuration."""
    settings = load(folder / "sensorline.toml", {}).settings
    model = sequential(layers.Masking(), layers.LSTM(units), layers.Dense(1, name="wear"), shape=(None, len(settings.sensors.names)))
    file = save(model, folder / "keras" / name)
    sensors = [ContractSensor(sensor) for sensor in settings.sensors.names]
    bundle_model(file, folder / "models" / name, sensors, settings.window.policy(), Adoption(name=name))

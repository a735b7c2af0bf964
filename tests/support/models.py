"""Small Keras models for tests of scoring; untrained, with weights that are the same in each run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.features import Value
from pipeline.core.policy import WindowPolicy
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import keras

layers = keras.layers


def sequential(*parts: Any, shape: tuple[int | None, ...] = (None, 2)) -> Any:
    """A model of these layers over windows of two sensors."""
    model = keras.Sequential([keras.Input(shape), *parts])
    _set_weights(model)
    return model


def _set_weights(model: Any) -> None:
    """Kernels as Keras would draw them (Glorot), but the same in each run: a layer draws its seed when it is made, before its model is."""
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1:
            limit = np.sqrt(6 / sum(weight.shape[-2:]))
            weight.assign(random.uniform(-limit, limit, weight.shape))


def sound_model(mask_value: float = 0.0) -> Any:
    """Masking -> LSTM -> one number named `rul`."""
    return sequential(layers.Masking(mask_value), layers.LSTM(5), layers.Dense(1, name="rul"))


def save(model: Any, folder: Path) -> Path:
    """The model's file."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / MODEL_FILE)
    return folder / MODEL_FILE


def make_contract(policy: WindowPolicy, **changes: Any) -> Contract:
    """The contract of `sound_model`, with changes."""
    sensors = (ContractSensor("temperature", mean=20, scale=5), ContractSensor("vibration", scale=0.5))
    fields: dict[str, Any] = {
        "name": "pump",
        "version": "7",
        "sensors": sensors,
        "channels": (Value(),),
        "max_length": policy.max_length,
        "window": policy.spec(tuple(sensor.name for sensor in sensors)),
        "task": "regression",
        "outputs": (ContractOutput("rul", "h"),),
    }
    return Contract(**fields | changes)

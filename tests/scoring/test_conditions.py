"""A contract keeps operating conditions and channels as readable JSON, and refuses conditions that do not fit its sensors."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.core.features import Age, Averages, Condition, Delta, Unit, Value, make_inputs, ragged
from pipeline.scoring.contract import Contract, ContractOutput, ContractSensor, decode_contract, encode_contract
from tests.support.windows import make_window

SENSORS = (ContractSensor("mode", codes=("a",), vocabulary=3), ContractSensor("heat", mean=1, scale=2), ContractSensor("altitude"))
LOW, HIGH = Condition((0,), (5, 0), (2, 1)), Condition((9,), (6, 0), (4, 1))


def contract(**changes: Any) -> Contract:
    fields: dict[str, Any] = {"sensors": SENSORS, "settings": ("altitude",), "conditions": (LOW, HIGH)}
    return Contract(name="m", version="1", max_length=9, window={}, task="regression", outputs=(ContractOutput("rul"),), **fields | changes)


def test_conditions_and_channels_come_back_from_json_as_they_were() -> None:
    written = contract(channels=(Value(), Age(scale=200), Averages((10, 30)), Averages((2.5,), Unit.SECONDS), Delta(scale=60)), last=5)
    assert decode_contract(encode_contract(written)) == written
    assert msgspec.json.decode(encode_contract(written))["channels"][1:3] == [
        {"name": "age", "unit": "steps", "scale": 200},
        {"name": "ema", "spans": [10, 30], "unit": "steps"},
    ]


def test_each_step_is_scaled_by_the_condition_that_its_settings_tell() -> None:
    window = make_window([[7, 1], [10, 8]], ["heat", "altitude"])
    assert np.array_equal(make_inputs(ragged([window]), contract().features()), [[1], [1]])


def test_a_contract_of_before_there_were_conditions_is_read() -> None:
    old = msgspec.json.decode(encode_contract(contract(settings=(), conditions=(), channels=(Delta(),))))
    del old["settings"], old["conditions"], old["channels"][0]["scale"]
    assert decode_contract(msgspec.json.encode(old)) == contract(settings=(), conditions=(), channels=(Delta(),))


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": ()},
        {"conditions": ()},
        {"settings": ("mode",)},
        {"settings": ("wind",)},
        {"conditions": (LOW, Condition((1, 2), (5, 0), (2, 1)))},
        {"conditions": (LOW, Condition((1,), (5, 0, 0), (2, 1, 1)))},
        {"conditions": (LOW, Condition((1,), (5, 0), (2, 0)))},
    ],
)
def test_conditions_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="conditions need settings among the sensors that are not coded"):
        contract(**changes)


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ({"name": "ema", "spans": []}, "spans must be numbers of steps"),
        ({"name": "ema", "spans": [0.5]}, "at least 1"),
        ({"name": "age", "scale": 0}, "scale must be positive"),
        ({"name": "fft"}, "channel 'fft' is unknown; this sensorline makes value, change, observed, delta, age, ema"),
    ],
)
def test_channels_that_cannot_be_made_are_refused(channel: dict[str, Any], problem: str) -> None:
    written = msgspec.json.decode(encode_contract(contract())) | {"channels": [channel]}
    with pytest.raises(ValueError, match=problem):
        decode_contract(msgspec.json.encode(written))

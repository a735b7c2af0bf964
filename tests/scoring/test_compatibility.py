"""A model is only used for the windows and sensors that it was made for, unless told otherwise."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.policy import Count, Keep, Overflow, Tumbling, WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.compatibility import check_compatible
from pipeline.scoring.contract import Contract, ContractOutput, ContractSensor, decode_contract, encode_contract
from tests.support.windows import session_policy

SENSORS = ("temperature", "mode")
POLICY = session_policy()


def contract_for(policy: WindowPolicy) -> Contract:
    """As it comes from a file: enums have become texts."""
    contract = Contract(
        name="pump",
        version="1",
        sensors=(ContractSensor("temperature"), ContractSensor("mode", codes=("off", "on"))),
        max_length=policy.max_length,
        window=policy.spec(SENSORS),
        task="regression",
        outputs=(ContractOutput("rul"),),
    )
    return decode_contract(encode_contract(contract))


def test_the_configuration_a_model_was_made_for_is_accepted() -> None:
    check_compatible(contract_for(POLICY), SENSORS, POLICY, codes={"mode": ("off", "on")})


@pytest.mark.parametrize(
    "changes", [{"out_of_orderness_ms": 1_000}, {"idle_timeout_ms": 90_000}, {"max_ahead_ms": None}, {"min_length": 3}]
)
def test_keys_that_do_not_change_what_a_window_means_may_differ(changes: dict[str, Any]) -> None:
    check_compatible(contract_for(POLICY), SENSORS, replace(POLICY, **changes))


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (session_policy(gap_ms=30_000), "gap is 10000 ms for the model and 30000 ms here"),
        (session_policy(max_length=100), "max_length is 256 for the model and 100 here"),
        (replace(POLICY, shape=Tumbling(size_ms=5_000)), "kind is session for the model and tumbling here"),
        (replace(POLICY, shape=Count(size=20, step=5)), "step is none for the model and 5 here"),
        (replace(POLICY, max_duration_ms=60_000), "max_duration is none for the model and 60000 ms here"),
        (replace(POLICY, overflow=Overflow.TRUNCATE), "overflow is split for the model and truncate here"),
        (replace(POLICY, keep=Keep.FIRST), "keep is last for the model and first here"),
    ],
)
def test_each_difference_of_the_windows_is_named_and_can_be_overridden(policy: WindowPolicy, says: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        check_compatible(contract_for(POLICY), SENSORS, policy)
    assert says in str(refused.value)

    check_compatible(contract_for(POLICY), SENSORS, policy, override=True)


def test_all_differences_are_named_at_once() -> None:
    with pytest.raises(ModelRefused, match=r"sensors are temperature, mode .*; gap is .*; max_length is "):
        check_compatible(contract_for(POLICY), ("mode", "temperature"), session_policy(max_length=9, gap_ms=5))


def test_other_codes_of_a_sensor_are_a_difference() -> None:
    with pytest.raises(ModelRefused, match="codes of mode are"):
        check_compatible(contract_for(POLICY), SENSORS, POLICY, codes={"mode": ("on", "off")})


def test_a_sensor_that_the_configuration_lacks_cannot_be_overridden() -> None:
    with pytest.raises(ModelRefused, match="needs the sensors mode, which the configuration does not have"):
        check_compatible(contract_for(POLICY), ("temperature", "noise"), POLICY, override=True)


def test_the_checks_before_the_model_is_loaded_need_no_tensorflow() -> None:
    modules = "pipeline.stages.score, pipeline.scoring.load, pipeline.scoring.adopt"
    code = f"import sys, {modules}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Whether a model was made for the sensors and windows of a configuration. Knows no model library and reads no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.contract import Contract

_WINDOW_KEYS = (
    *("kind", "gap_ms", "size_ms", "size", "step_ms", "step", "partial_start"),
    *("max_length", "max_duration_ms", "overflow", "keep", "carry"),
)


def check_compatible(
    contract: Contract,
    sensors: Sequence[str],
    policy: WindowPolicy,
    *,
    codes: Mapping[str, Sequence[str]] | None = None,
    override: bool = False,
) -> None:
    """Raises `ModelRefused` that names each difference between what the model was made for and the configuration.

    With `override` only a sensor that the configuration lacks is refused. `codes` are the configured ones, by sensor;
    None leaves them unchecked.
    """
    missing = [name for name in contract.sensor_names if name not in sensors]
    if missing:
        raise ModelRefused(f"the model {contract.name!r} needs the sensors {', '.join(missing)}, which the configuration does not have")
    differences = _differences(contract, sensors, policy, codes)
    if differences and not override:
        remedy = "change [window], train again, or score with --any-windows"
        named = "; ".join(differences)
        raise ModelRefused(f"the model {contract.name!r} was made for something else than the configuration: {named}; {remedy}")


def _differences(contract: Contract, sensors: Sequence[str], policy: WindowPolicy, codes: Mapping[str, Sequence[str]] | None) -> list[str]:
    found = []
    if tuple(sensors) != contract.sensor_names:
        found.append(f"sensors are {', '.join(contract.sensor_names)} for the model and {', '.join(sensors)} here")
    for sensor in contract.sensors if codes is not None else ():
        here = tuple((codes or {}).get(sensor.name, ()))
        if here != sensor.codes:
            found.append(f"codes of {sensor.name} are {list(sensor.codes)} for the model and {list(here)} here")
    spec = policy.spec(tuple(sensors))
    for key in _WINDOW_KEYS:
        theirs, ours = contract.window.get(key), spec.get(key)
        # 0, false and null are the neutral values of keys that the other side does not have.
        if (theirs or None) != (ours or None):
            found.append(f"{key.removesuffix('_ms')} is {_shown(key, theirs)} for the model and {_shown(key, ours)} here")
    return found


def _shown(key: str, value: object) -> str:
    if not value:
        return "none"
    return f"{value} ms" if key.endswith("_ms") else str(value)

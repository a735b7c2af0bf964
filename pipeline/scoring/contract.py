"""What a model was made for: sensors, inputs, padding, windows, outputs. `contract.json` of a bundle is this, written out.

Also the comparison with a configuration. Knows no model library and reads no file (`pipeline.scoring.bundle`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from pipeline.core.features import CHANNEL_NAMES, Channel, FeatureSpec, Fill, Value
from pipeline.core.padding import is_usable_padding
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused

CONTRACT_VERSION = 1
MODEL_FILE = "model.keras"
ONNX_FILE = "model.onnx"

_WINDOW_KEYS = (
    *("kind", "gap_ms", "size_ms", "size", "step_ms", "step", "partial_start"),
    *("max_length", "max_duration_ms", "overflow", "keep", "carry"),
)


class ContractSensor(msgspec.Struct, frozen=True):
    """A sensor in the order of the features; the model sees (value - mean) / scale. `codes`: texts of the codes 1..n."""

    name: str
    unit: str | None = None
    codes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0


class ContractOutput(msgspec.Struct, frozen=True):
    """One number per window."""

    name: str
    unit: str | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the scorer must know about a model. Raises `ValueError` where it contradicts itself."""

    contract_version: int = CONTRACT_VERSION
    name: str
    version: str
    files: dict[str, str] = {}  # sha256 by file name
    keras_only: str | None = None  # why there is no model.onnx, if so
    sensors: tuple[ContractSensor, ...]
    channels: tuple[Channel, ...] = (Value(),)
    fill: Fill = "zero"
    dtype: Literal["float32", "int32"] = "float32"  # int32: codes of the one sensor, embedded by the model
    vocabulary: int | None = None  # int32: codes are 0..vocabulary - 1
    padding_value: float = 0.0
    max_length: int  # steps of the longest window
    fixed_length: int | None = None  # the only length the model takes; None: any
    window: dict[str, Any]  # `WindowPolicy.spec` of the windows it was trained with
    task: str
    outputs: tuple[ContractOutput, ...]  # in the order of the model's output columns
    metrics: dict[str, Any] = {}
    libraries: dict[str, str] = {}

    def __post_init__(self) -> None:
        for holds, problem in self._checks():
            if not holds:
                raise ValueError(problem)

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        outputs = [output.name for output in self.outputs]
        integer = self.dtype == "int32"
        return (
            (self.contract_version == CONTRACT_VERSION, f"contract_version is {self.contract_version}, not {CONTRACT_VERSION}"),
            (len(set(self.sensor_names)) == len(self.sensors) > 0, "sensors must be named, each once"),
            (all(sensor.scale > 0 for sensor in self.sensors), "the scale of a sensor must be positive"),
            (bool(self.channels), "channels must not be empty"),
            (len(set(outputs)) == len(outputs) > 0, "outputs must be named, each once"),
            (is_usable_padding(self.padding_value), f"padding_value {self.padding_value} must be 0 or from 1e-30 to 1e30 in size"),
            (self.max_length >= 1, "max_length must be at least 1"),
            ((self.fixed_length or self.max_length) >= self.max_length, "fixed_length must be at least max_length"),
            (all(is_plain_name(name) for name in self.files), "files must be names in the bundle's folder"),
            (not integer or self._embeds_codes(), "dtype int32 needs one sensor, channels value, padding_value 0 and a vocabulary"),
        )

    def _embeds_codes(self) -> bool:
        one = len(self.sensors) == 1 and self.channels == (Value(),)
        return one and self.padding_value == 0 and (self.vocabulary or 0) >= 2

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names in the order of the features."""
        return tuple(sensor.name for sensor in self.sensors)

    def features(self) -> FeatureSpec:
        """How window values become this model's inputs."""
        mean = tuple(sensor.mean for sensor in self.sensors)
        return FeatureSpec(mean, tuple(sensor.scale for sensor in self.sensors), self.channels, self.fill)


class _Head(msgspec.Struct):
    contract_version: int
    channels: list[dict[str, Any]] = []


def is_plain_name(name: str) -> bool:
    """Whether the name stays in its folder."""
    return bool(name) and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}


def encode_contract(contract: Contract) -> bytes:
    """Pretty JSON, with a line end."""
    return msgspec.json.format(msgspec.json.encode(contract), indent=2) + b"\n"


def decode_contract(data: bytes) -> Contract:
    """The contract; raises `ValueError` that says what is wrong with it."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.contract_version != CONTRACT_VERSION:
            raise ValueError(f"contract_version is {head.contract_version}; this sensorline reads version {CONTRACT_VERSION}")
        unknown = [str(channel.get("name")) for channel in head.channels if channel.get("name") not in CHANNEL_NAMES]
        if unknown:
            raise ValueError(f"channel {unknown[0]!r} is unknown; this sensorline makes {', '.join(CHANNEL_NAMES)}")
        return msgspec.json.decode(data, type=Contract)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON: {error}") from None


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

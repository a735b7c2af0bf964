"""What a model was made for: sensors, inputs, padding, windows, outputs. `contract.json` of a bundle is this, written out.

Knows no model library and reads no file (`pipeline.scoring.bundle`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.core.codes import CodedSensor
from pipeline.core.drift import Distribution
from pipeline.core.features import CHANNEL_NAMES, Channel, Condition, FeatureSpec, Fill, Value
from pipeline.core.padding import is_usable_padding
from pipeline.scoring.engine import EXPORTED

CONTRACT_VERSION = 1
MODEL_FILE = "model.keras"
ONNX_FILE = "model.onnx"
ONNX_GROWING_FILE = "model.growing.onnx"  # goes on with a window where it stood
GOLDEN_FILE = "golden.msgpack"  # recorded windows and their scores


class ContractSensor(msgspec.Struct, frozen=True):
    """A sensor of the model. `codes`: the texts of the codes 1..n.

    Without a vocabulary it is a feature of the float input, which sees (value - mean) / scale. With one it is an input of its
    own, whose codes from 1 to vocabulary - 1 the model embeds, 0 being padding.
    """

    name: str
    unit: str | None = None
    codes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    vocabulary: int | None = None
    unobserved: int | None = None  # the code that an unobserved value becomes; None: such a window is refused


class ContractOutput(msgspec.Struct, frozen=True):
    """One number per window, or per step."""

    name: str
    unit: str | None = None


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the scorer must know about a model. Raises `ValueError` where it contradicts itself."""

    contract_version: int = CONTRACT_VERSION
    name: str
    version: str
    files: dict[str, str] = {}  # sha256 by file name
    untranslated: str | None = None  # why model.onnx is Keras's own export, or missing, if so
    sensors: tuple[ContractSensor, ...]
    settings: tuple[str, ...] = ()  # sensors of the float input that tell the operating condition of a step
    conditions: tuple[Condition, ...] = ()  # each with a mean and scale of its own for every sensor of the float input
    channels: tuple[Channel, ...] = (Value(),)
    fill: Fill = "zero"
    padding_value: float = 0.0  # of the float input; that of codes is 0
    max_length: int  # steps of the longest window
    last: int | None = None  # the model sees only so many last steps of a window, after the channels are made; None: all
    fixed_length: int | None = None  # the only number of steps the model takes; None: any
    window: dict[str, Any]  # `WindowPolicy.spec` of the windows it was trained with
    task: str
    outputs: tuple[ContractOutput, ...]  # in the order of the model's output columns
    step_outputs: tuple[ContractOutput, ...] = ()  # such as attention weights, in the order of the model's columns
    distributions: tuple[Distribution, ...] = ()  # of `things`, in what the model was trained on; (): not known
    metrics: dict[str, Any] = {}
    libraries: dict[str, str] = {}

    def __post_init__(self) -> None:
        for holds, problem in self._checks():
            if not holds:
                raise ValueError(problem)

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        outputs, step_outputs = ([output.name for output in outputs] for outputs in (self.outputs, self.step_outputs))
        return (
            (self.contract_version == CONTRACT_VERSION, f"contract_version is {self.contract_version}, not {CONTRACT_VERSION}"),
            (len(set(self.sensor_names)) == len(self.sensors) > 0, "sensors must be named, each once"),
            (all(sensor.scale > 0 for sensor in self.sensors), "the scale of a sensor must be positive"),
            (self._conditions_fit(), "conditions need settings among the sensors that are not coded, and numbers for each of them"),
            (bool(self.channels), "channels must not be empty"),
            (all(self._codes_fit(sensor) for sensor in self.sensors), "the codes of a sensor must be from 1 to its vocabulary - 1"),
            (len(set(outputs)) == len(outputs) > 0, "outputs must be named, each once"),
            (len(set(step_outputs)) == len(step_outputs), "step_outputs must be named, each once"),
            (is_usable_padding(self.padding_value), f"padding_value {self.padding_value} must be 0 or from 1e-30 to 1e30 in size"),
            (self.max_length >= 1, "max_length must be at least 1"),
            (self.last is None or self.last >= 1, "last must be at least 1"),
            (
                (self.fixed_length or self.longest) >= self.longest,
                "fixed_length must be at least what the model sees of the longest window",
            ),
            (
                not self.distributions or tuple(one.name for one in self.distributions) == self.things,
                f"distributions must be of {', '.join(self.things)}",
            ),
            (
                all(len(one.shares) == len(one.edges) + 1 for one in self.distributions),
                "a distribution must have one share more than edges",
            ),
            (all(is_plain_name(name) for name in self.files), "files must be names in the bundle's folder"),
        )

    def _conditions_fit(self) -> bool:
        floats = [sensor.name for sensor in self.float_sensors]
        return bool(self.settings) == bool(self.conditions) and all(
            set(self.settings) <= set(floats)
            and len(condition.centre) == len(self.settings)
            and len(condition.mean) == len(condition.scale) == len(floats)
            and all(scale > 0 for scale in condition.scale)
            for condition in self.conditions
        )

    @staticmethod
    def _codes_fit(sensor: ContractSensor) -> bool:
        if sensor.vocabulary is None:
            return sensor.unobserved is None
        return len(sensor.codes) < sensor.vocabulary and (sensor.unobserved is None or 1 <= sensor.unobserved < sensor.vocabulary)

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of all sensors."""
        return tuple(sensor.name for sensor in self.sensors)

    @property
    def things(self) -> tuple[str, ...]:
        """What the distributions are of: sensors, outputs, and the windows' length."""
        sensors, outputs = (f"sensor.{name}" for name in self.sensor_names), (f"output.{output.name}" for output in self.outputs)
        return (*sensors, *outputs, "window.length")

    @property
    def engine(self) -> str:
        """The name of the engine that runs the bundle's model, unless told otherwise."""
        if ONNX_FILE not in self.files:
            return "keras"
        return "onnx" if self.untranslated is None else EXPORTED

    @property
    def float_sensors(self) -> tuple[ContractSensor, ...]:
        """Those that the float input is made of, in the order of its features."""
        return tuple(sensor for sensor in self.sensors if sensor.vocabulary is None)

    @property
    def coded_sensors(self) -> tuple[CodedSensor, ...]:
        """Those that the model embeds, in the order of its code inputs."""
        return tuple(
            CodedSensor(sensor.name, sensor.vocabulary, sensor.unobserved) for sensor in self.sensors if sensor.vocabulary is not None
        )

    @property
    def longest(self) -> int:
        """The most steps that the model sees of a window."""
        return min(self.last or self.max_length, self.max_length)

    def features(self) -> FeatureSpec:
        """How values of the float sensors become the model's float input."""
        sensors = self.float_sensors
        settings = tuple([sensor.name for sensor in sensors].index(name) for name in self.settings)
        mean, scale = tuple(sensor.mean for sensor in sensors), tuple(sensor.scale for sensor in sensors)
        return FeatureSpec(mean, scale, self.channels, self.fill, self.last, settings, self.conditions)


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

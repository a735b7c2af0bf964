"""A bundle from a user's own Keras model: what can be read from the model is read, the rest is told; nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.features import Fill
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import Bundle, require_place, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor, is_plain_name
from pipeline.scoring.engine import ModelSignature
from pipeline.scoring.keras_file import require_keras_file
from pipeline.scoring.probe import prove_padding_invariance


@dataclass(frozen=True)
class Adoption:
    """What the user says about the model; the defaults fit a model that takes the raw values of all sensors."""

    name: str | None = None  # default: the file's name
    version: str = "1"
    sensors: tuple[str, ...] | None = None  # in the order of the model's features; default: all configured
    fill: Fill = "zero"
    task: str = "regression"
    outputs: tuple[ContractOutput, ...] | None = None  # default: named after the model's output layers


def bundle_model(
    model_file: Path, out: Path, sensors: Sequence[ContractSensor], policy: WindowPolicy, adoption: Adoption | None = None
) -> Bundle:
    """Writes a bundle at `out` for windows of `policy` over the configured sensors.

    Inputs are the values as they are: no scaling. Raises `ModelRefused` that says what to change for a model that cannot be
    scored with, or whose scores padding would change.
    """
    adoption = adoption or Adoption()
    chosen = _chosen(sensors, adoption.sensors)
    require_place(out)
    require_keras_file(model_file)
    # Importing it starts TensorFlow, which takes seconds: only once everything else is right.
    from pipeline.scoring.keras_engine import KerasEngine
    from pipeline.scoring.onnx_file import add_onnx

    engine = KerasEngine(model_file)
    contract = _contract(model_file, engine.signature, chosen, policy, adoption)
    prove_padding_invariance(engine, contract.max_length)
    with TemporaryDirectory(prefix="sensorline-bundle-") as folder:
        contract, files = add_onnx(contract, engine, Path(folder))
        return write_bundle(out, contract, {MODEL_FILE: model_file} | files)


def _chosen(sensors: Sequence[ContractSensor], names: tuple[str, ...] | None) -> tuple[ContractSensor, ...]:
    known = {sensor.name: sensor for sensor in sensors}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ModelRefused(f"sensor {unknown[0]!r} is not configured; [sensors] names has {', '.join(known)}")
    return tuple(sensors) if names is None else tuple(known[name] for name in names)


def _contract(
    model_file: Path, model: ModelSignature, sensors: tuple[ContractSensor, ...], policy: WindowPolicy, adoption: Adoption
) -> Contract:
    _check_width(model, sensors)
    if model.fixed_length is not None and model.fixed_length < policy.max_length:
        remedy = f"set [window] max_length = {model.fixed_length}, or give the model an input of (None, {model.features})"
        raise ModelRefused(f"the model takes exactly {model.fixed_length} steps, but windows have up to {policy.max_length}; {remedy}")
    outputs = adoption.outputs or tuple(ContractOutput(name) for name in model.outputs)
    if len(outputs) != len(model.outputs):
        given = ", ".join(output.name for output in outputs)
        raise ModelRefused(f"the model gives {len(model.outputs)} numbers per window, but {len(outputs)} outputs are named ({given})")
    name = adoption.name or model_file.stem
    if not is_plain_name(name):
        raise ModelRefused(f"{name!r} is no name for a model; use letters, digits and dashes")
    try:
        return Contract(
            name=name,
            version=adoption.version,
            sensors=sensors,
            fill=adoption.fill,
            dtype="int32" if model.integer else "float32",
            vocabulary=model.vocabulary,
            padding_value=model.padding_value,
            max_length=policy.max_length,
            fixed_length=model.fixed_length,
            window=policy.spec(tuple(sensor.name for sensor in sensors)),
            task=adoption.task,
            outputs=outputs,
            libraries={library: version(library) for library in ("keras", "tensorflow", "numpy", "sensorline")},
        )
    except ValueError as error:
        raise ModelRefused(f"{model_file} cannot be used: {error}") from None


def _check_width(model: ModelSignature, sensors: tuple[ContractSensor, ...]) -> None:
    if model.features == len(sensors):
        return
    names = ", ".join(sensor.name for sensor in sensors)
    takes = "codes of 1 sensor" if model.integer else f"{model.features} features per step"
    raise ModelRefused(f"the model takes {takes}, but there are {len(sensors)} sensors ({names}); name those it takes, in its order")

"""A bundle from a user's own Keras model: what can be read from the model is read, the rest is told; nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pipeline.core.features import Fill
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.bundle import Bundle, require_place, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor, is_plain_name
from pipeline.scoring.drift import sample, with_distributions
from pipeline.scoring.engine import ModelSignature
from pipeline.scoring.golden import add_golden
from pipeline.scoring.keras_file import require_keras_file
from pipeline.scoring.probe import prove_padding_invariance


@dataclass(frozen=True)
class Adoption:
    """What the user says about the model; the defaults fit a model that takes the raw values of all sensors."""

    name: str | None = None  # default: the file's name
    version: str = "1"
    sensors: tuple[str, ...] | None = (
        None  # features in the order of the model's, codes in that of its code inputs; default: all configured
    )
    fill: Fill = "zero"
    last: int | None = None  # the model sees only so many last steps of a window; default: all
    task: str = "regression"
    outputs: tuple[ContractOutput, ...] | None = None  # default: named after the model's output layers


def bundle_model(
    model_file: Path,
    out: Path,
    sensors: Sequence[ContractSensor],
    policy: WindowPolicy,
    adoption: Adoption | None = None,
    recorded: Iterable[Window] = (),
) -> Bundle:
    """Writes a bundle at `out` for windows of `policy` over the configured sensors.

    Inputs are the values as they are: no scaling. Of the `recorded` windows golden ones are taken, and distributions. Raises
    `ModelRefused` that says what to change for a model that cannot be scored with, or whose scores padding would change.
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
    prove_padding_invariance(engine, contract.longest)
    some = sample(recorded)
    contract = with_distributions(contract, engine, some, some)
    with TemporaryDirectory(prefix="sensorline-bundle-") as folder:
        golden = add_golden(contract, engine, some, Path(folder))
        contract, files = add_onnx(contract, engine, Path(folder))
        return write_bundle(out, contract, {MODEL_FILE: model_file} | files | golden)


def _chosen(sensors: Sequence[ContractSensor], names: tuple[str, ...] | None) -> tuple[ContractSensor, ...]:
    known = {sensor.name: sensor for sensor in sensors}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ModelRefused(f"sensor {unknown[0]!r} is not configured; [sensors] names has {', '.join(known)}")
    return tuple(sensors) if names is None else tuple(known[name] for name in names)


def _contract(
    model_file: Path, model: ModelSignature, chosen: tuple[ContractSensor, ...], policy: WindowPolicy, adoption: Adoption
) -> Contract:
    sensors = _fed(model, chosen)
    outputs = adoption.outputs or tuple(ContractOutput(name) for name in model.outputs)
    if len(outputs) != len(model.outputs):
        given = ", ".join(output.name for output in outputs)
        raise ModelRefused(f"the model gives {len(model.outputs)} numbers per window, but {len(outputs)} outputs are named ({given})")
    longest = min(adoption.last or policy.max_length, policy.max_length)
    if model.fixed_length is not None and model.fixed_length < longest:
        # An input is (None, features), or (None,) of codes.
        shape = next((f"(None, {given.features})" for given in model.inputs if given.vocabulary is None), "(None,)")
        remedy = f"set [window] max_length = {model.fixed_length}, use --last {model.fixed_length}, or give the model an input of {shape}"
        raise ModelRefused(f"the model takes exactly {model.fixed_length} steps, but windows have up to {longest}; {remedy}")
    name = adoption.name or model_file.stem
    if not is_plain_name(name):
        raise ModelRefused(f"{name!r} is no name for a model; use letters, digits and dashes")
    try:
        return Contract(
            name=name,
            version=adoption.version,
            sensors=sensors,
            fill=adoption.fill,
            padding_value=next((given.padding_value for given in model.inputs if given.vocabulary is None), 0.0),
            max_length=policy.max_length,
            last=adoption.last,
            fixed_length=model.fixed_length,
            window=policy.spec(tuple(sensor.name for sensor in sensors)),
            task=adoption.task,
            outputs=outputs,
            step_outputs=tuple(ContractOutput(name) for name in model.step_outputs),
            libraries={library: version(library) for library in ("keras", "tensorflow", "numpy", "sensorline")},
        )
    except ValueError as error:
        raise ModelRefused(f"{model_file} cannot be used: {error}") from None


def _fed(model: ModelSignature, chosen: tuple[ContractSensor, ...]) -> tuple[ContractSensor, ...]:
    """The sensors, each as the feature or the code input that it is for this model. Raises `ModelRefused` where they do not fit.

    A sensor with texts in [sensors.codes] is a code for a model that embeds codes, as is each for one that takes nothing else;
    for a model that takes features only, its codes are numbers like others.
    """
    embedded = [given for given in model.inputs if given.vocabulary is not None]
    features = sum(given.features for given in model.inputs if given.vocabulary is None)
    coded = [sensor for sensor in chosen if embedded and (sensor.codes or not features)]
    if len(chosen) - len(coded) != features or len(coded) != len(embedded):
        takes = " and ".join(
            what for what, some in ((f"{features} features per step", features), (f"codes of {len(embedded)} sensors", embedded)) if some
        )
        have = f"{len(chosen)} sensors ({', '.join(sensor.name for sensor in chosen)})"
        if embedded and features:
            have += f", of which {', '.join(sensor.name for sensor in coded) or 'none'} has texts in [sensors.codes]"
        remedy = "name those it takes, in its order, with --sensors"
        raise ModelRefused(f"the model takes {takes}, but there are {have}; {remedy}")
    vocabularies = iter(given.vocabulary or 0 for given in embedded)
    return tuple(_embedded(sensor, next(vocabularies)) if sensor in coded else sensor for sensor in chosen)


def _embedded(sensor: ContractSensor, vocabulary: int) -> ContractSensor:
    """A sensor as a code input; where its texts leave a code, that is for unobserved values."""
    codes = len(sensor.codes)
    if codes >= vocabulary:
        raise ModelRefused(
            f"the model embeds codes from 1 to {vocabulary - 1} of {sensor.name}, which has {codes} texts in [sensors.codes]; "
            f"give its Embedding input_dim = {codes + 2}: one code for each text, one for padding, one for values that are not there"
        )
    spare = codes + 1 if codes and vocabulary > codes + 1 else None
    return msgspec.structs.replace(sensor, vocabulary=vocabulary, unobserved=spare)

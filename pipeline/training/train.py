"""From labelled windows to a bundle with its metrics and report. Knows neither the files of recordings and labels nor a model library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.features import ragged
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.scoring.bundle import Bundle, require_place, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor, encode_contract, is_plain_name
from pipeline.scoring.drift import sample, with_distributions
from pipeline.scoring.engine import Engine
from pipeline.scoring.golden import add_golden
from pipeline.scoring.probe import prove_padding_invariance
from pipeline.scoring.scorer import Scorer
from pipeline.training.batches import Thinning, TrainingBatches
from pipeline.training.channel_scales import fit_channels
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.dataset import PADDING_VALUE, Examples, LabelledWindows, make_examples, split_devices
from pipeline.training.judged import Judged, judge
from pipeline.training.progress import Watch
from pipeline.training.recipe import Fitting, Recipe, Task
from pipeline.training.report import Training, write_report
from pipeline.training.scaling import fit_contract
from pipeline.training.step_labels import scaled_next_steps
from pipeline.training.weights import window_weights

LIBRARIES = ("keras", "tensorflow", "numpy", "sensorline")

Floats = NDArray[np.float32]

_WINDOWS_FOR_SCALES = 2_000  # so many are enough to know how large seconds and step numbers are


@dataclass(frozen=True)
class Destination:
    """Where the bundle goes, and what its model is called. Raises `ConfigurationError` where that cannot be."""

    folder: Path
    name: str
    version: str = "1"
    resume: bool = False  # go on with a training that was cut off, if there is one

    def __post_init__(self) -> None:
        if not is_plain_name(self.name):
            raise ConfigurationError(f"name = {self.name!r}: no name for a model; use letters, digits and dashes")
        require_place(self.folder)

    @property
    def checkpoints(self) -> Path:
        """Where the training stands, until the bundle is there."""
        return self.folder.with_name(f"{self.folder.name}.training")


def train_bundle(
    labelled: LabelledWindows,
    sensors: Sequence[ContractSensor],
    policy: WindowPolicy,
    recipe: Recipe,
    destination: Destination,
    watch: Watch,
) -> Bundle:
    """Trains on some devices, keeps what was best on the others, and writes the bundle and its report.

    `sensors`: those of the windows, in their order; their mean and scale are fitted here, on the training devices alone. The
    metrics are those of the held-out devices, scored as the scorer would; as the best epoch was chosen by them, they are a
    little too good. Raises `ConfigurationError` for fewer than two devices with labels, if some are to be held out.
    """
    training, held_out = _split(labelled, recipe.fitting)
    contract = _contract(training, sensors, policy, recipe, destination)
    training, held_out = (_with_scaled_targets(windows, contract) for windows in (training, held_out))
    examples = make_examples(training.windows, training.targets, contract)
    checkpoints = Checkpoints(destination.checkpoints, _fingerprint(examples, contract, recipe))
    if not destination.resume:
        checkpoints.remove()
    # They start TensorFlow, which takes seconds: only once everything else is right.
    from pipeline.scoring.keras_engine import KerasEngine
    from pipeline.scoring.onnx_file import add_onnx
    from pipeline.training.keras_model import Material, fit_model

    batches = _batches(examples, recipe, Thinning(_device_numbers(training), recipe.fitting.stride))
    checks = _batches(make_examples(held_out.windows, held_out.targets, contract), recipe, None) if held_out.windows else None
    vocabularies = tuple(sensor.vocabulary for sensor in contract.coded_sensors)
    with TemporaryDirectory(prefix="sensorline-train-") as folder:
        model_file = Path(folder, MODEL_FILE)
        fitted = fit_model(Material(batches, checks, vocabularies), recipe, model_file, checkpoints, watch)
        engine = KerasEngine(model_file)
        prove_padding_invariance(engine, contract.longest)
        judged = judge(Scorer(contract, engine, ""), held_out, recipe.task)
        contract = _with_distributions(contract, engine, training, held_out)
        metrics = {
            **_held_out_metrics(judged, recipe, np.nanmean(training.targets, axis=0)),
            "held_out_devices": sorted(held_out.devices),
            "windows": _window_counts(labelled, training, held_out),
            "epochs": len(fitted.history),
            "best_epoch": fitted.best_epoch,
            "recipe": msgspec.to_builtins(recipe),
        }
        contract, files = add_onnx(msgspec.structs.replace(contract, metrics=metrics), engine, Path(folder))
        golden = add_golden(contract, engine, (held_out.windows or training.windows), Path(folder))
        bundle = write_bundle(destination.folder, contract, {MODEL_FILE: model_file} | files | golden)
    write_report(Training(bundle.contract, recipe, fitted.history, fitted.best_epoch, judged), bundle.folder)
    checkpoints.remove()
    return bundle


def _split(labelled: LabelledWindows, fitting: Fitting) -> tuple[LabelledWindows, LabelledWindows]:
    """(windows to learn from, windows to judge by)"""
    if fitting.holdout == 0:
        return labelled, labelled.of(frozenset())
    training, held_out = split_devices(labelled.devices, fitting.holdout, fitting.seed)
    return labelled.of(training), labelled.of(held_out)


def _contract(
    training: LabelledWindows, sensors: Sequence[ContractSensor], policy: WindowPolicy, recipe: Recipe, destination: Destination
) -> Contract:
    some = ragged(training.windows[:: 1 + len(training.windows) // _WINDOWS_FOR_SCALES])
    unfitted = Contract(
        name=destination.name,
        version=destination.version,
        sensors=tuple(map(_embedded, sensors)),
        channels=fit_channels(recipe.channels, some),
        fill=recipe.fill,
        padding_value=PADDING_VALUE,
        max_length=policy.max_length,
        last=recipe.last,
        window=policy.spec(tuple(sensor.name for sensor in sensors)),
        task=recipe.task,
        outputs=tuple(ContractOutput(output) for output in training.outputs),
        step_outputs=(ContractOutput("attention"),) if recipe.architecture.attention else (),
        libraries={library: version(library) for library in LIBRARIES},
    )
    return fit_contract(unfitted, training.as_recorded.windows, recipe.conditions, recipe.fitting.seed)


def _embedded(sensor: ContractSensor) -> ContractSensor:
    """A sensor with codes is an input of its own, with a code more for what is unobserved."""
    if not sensor.codes:
        return sensor
    return msgspec.structs.replace(sensor, vocabulary=len(sensor.codes) + 2, unobserved=len(sensor.codes) + 1)


def _with_scaled_targets(labelled: LabelledWindows, contract: Contract) -> LabelledWindows:
    """A forecast is of scaled values, since only so do the errors of different sensors compare."""
    if contract.task != Task.FORECAST:
        return labelled
    return labelled.with_targets(scaled_next_steps(labelled.targets, contract.features().scaling))


def _batches(examples: Examples, recipe: Recipe, thinning: Thinning | None) -> TrainingBatches:
    fitting = recipe.fitting
    return TrainingBatches(examples, fitting.batch_size, fitting.seed, weights=window_weights(examples.targets, recipe), thinning=thinning)


def _device_numbers(labelled: LabelledWindows) -> NDArray[np.int64]:
    """A number for each device of each copy of the recording."""
    copies = labelled.copies or (0,) * len(labelled.windows)
    numbers: dict[tuple[str, int], int] = {}
    keys = ((window.device, copy) for window, copy in zip(labelled.windows, copies, strict=True))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _fingerprint(examples: Examples, contract: Contract, recipe: Recipe) -> str:
    """Tells this training from any that would not come out the same."""
    digest = hashlib.sha256(encode_contract(contract) + msgspec.json.encode(recipe))
    for array in (examples.lengths, examples.targets, *examples.model_inputs):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _held_out_metrics(judged: Mapping[float, Judged], recipe: Recipe, training_mean: Floats) -> dict[str, Any]:
    """Of the recording as it is, and of each thinned copy, by the share of the readings that it lacks."""
    by_share = {share: of_copy.metrics(recipe, training_mean) for share, of_copy in judged.items()}
    thinned = {f"{share:g}": metrics for share, metrics in by_share.items() if share}
    return {"held_out": by_share.get(0, {}), **({"held_out_thinned": thinned} if thinned else {})}


def _with_distributions(contract: Contract, engine: Engine, training: LabelledWindows, held_out: LabelledWindows) -> Contract:
    trained, judged = (sample(labelled.as_recorded.windows) for labelled in (training, held_out))
    return with_distributions(contract, engine, trained, judged or trained)


def _window_counts(labelled: LabelledWindows, training: LabelledWindows, held_out: LabelledWindows) -> dict[str, int]:
    return {
        "training": len(training.windows),
        "held_out": len(held_out.windows),
        "unlabelled": labelled.unlabelled,
        "too_short": labelled.too_short,
    }

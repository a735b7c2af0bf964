"""From labelled windows to a bundle with its metrics. Knows neither the files of recordings and labels nor a model library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from pipeline.core.features import ragged
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.scoring.bundle import Bundle, require_place, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor, is_plain_name
from pipeline.scoring.probe import prove_padding_invariance
from pipeline.scoring.scorer import Scorer
from pipeline.training.dataset import PADDING_VALUE, LabelledWindows, fit_scaling, make_examples, split_devices
from pipeline.training.metrics import Epoch, classification_metrics, regression_metrics
from pipeline.training.recipe import Recipe, Task

LIBRARIES = ("keras", "tensorflow", "numpy", "sensorline")


@dataclass(frozen=True)
class Destination:
    """Where the bundle goes, and what its model is called. Raises `ConfigurationError` where that cannot be."""

    folder: Path
    name: str
    version: str = "1"

    def __post_init__(self) -> None:
        if not is_plain_name(self.name):
            raise ConfigurationError(f"name = {self.name!r}: no name for a model; use letters, digits and dashes")
        require_place(self.folder)


def train_bundle(
    labelled: LabelledWindows,
    sensors: Sequence[ContractSensor],
    policy: WindowPolicy,
    recipe: Recipe,
    destination: Destination,
    on_epoch: Callable[[Epoch], None],
) -> Bundle:
    """Trains on some devices, keeps what was best on the others, and writes the bundle.

    `sensors`: those of the windows, in their order; their mean and scale are fitted here, on the training devices alone. The
    metrics are those of the held-out devices, scored as the scorer would; as the best epoch was chosen by them, they are a
    little too good. Raises `ConfigurationError` for fewer than two devices with labels.
    """
    training_devices, held_out_devices = split_devices(labelled.devices, recipe.holdout, recipe.seed)
    training, held_out = labelled.of(training_devices), labelled.of(held_out_devices)
    steps = ragged(training.windows)
    contract = _contract(labelled, _scaled(sensors, steps.values), policy, recipe, destination)
    features = contract.features()
    # They start TensorFlow, which takes seconds: only once everything else is right.
    from pipeline.scoring.keras_engine import KerasEngine
    from pipeline.scoring.onnx_file import add_onnx
    from pipeline.training.keras_model import fit_model

    with TemporaryDirectory(prefix="sensorline-train-") as folder:
        model_file = Path(folder, MODEL_FILE)
        examples = make_examples(steps, training.targets, features)
        fitted = fit_model(examples, make_examples(ragged(held_out.windows), held_out.targets, features), recipe, model_file, on_epoch)
        engine = KerasEngine(model_file)
        prove_padding_invariance(engine, contract.max_length)
        metrics = {
            "held_out": _metrics(Scorer(contract, engine, ""), training, held_out, recipe.task),
            "held_out_devices": sorted(held_out_devices),
            "windows": {
                "training": len(training.windows),
                "held_out": len(held_out.windows),
                "unlabelled": labelled.unlabelled,
                "too_short": labelled.too_short,
            },
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "recipe": msgspec.to_builtins(asdict(recipe)),
        }
        contract, files = add_onnx(msgspec.structs.replace(contract, metrics=metrics), engine, Path(folder))
        return write_bundle(destination.folder, contract, {MODEL_FILE: model_file} | files)


def _scaled(sensors: Sequence[ContractSensor], values: np.typing.NDArray[np.float32]) -> tuple[ContractSensor, ...]:
    scaling = zip(sensors, *fit_scaling(values), strict=True)
    return tuple(msgspec.structs.replace(sensor, mean=mean, scale=scale) for sensor, mean, scale in scaling)


def _contract(
    labelled: LabelledWindows, sensors: tuple[ContractSensor, ...], policy: WindowPolicy, recipe: Recipe, destination: Destination
) -> Contract:
    return Contract(
        name=destination.name,
        version=destination.version,
        sensors=sensors,
        channels=recipe.channels,
        fill=recipe.fill,
        padding_value=PADDING_VALUE,
        max_length=policy.max_length,
        window=policy.spec(tuple(sensor.name for sensor in sensors)),
        task=recipe.task,
        outputs=tuple(ContractOutput(output) for output in labelled.outputs),
        libraries={library: version(library) for library in LIBRARIES},
    )


def _metrics(scorer: Scorer, training: LabelledWindows, held_out: LabelledWindows, task: Task) -> dict[str, Any]:
    """Of the classes together, or of each output by name."""
    found = scorer.score(held_out.windows).outputs
    if task is Task.CLASSIFICATION:
        return classification_metrics(found, held_out.targets)
    mean = training.targets.mean(axis=0).tolist()
    return {
        output: regression_metrics(found[:, column], held_out.targets[:, column], mean[column])
        for column, output in enumerate(held_out.outputs)
    }

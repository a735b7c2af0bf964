"""From a bundle folder to a scorer that may be trusted: cheap checks first, the model library only after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from pipeline.core.batching import BatchPolicy
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import Bundle, private_copy
from pipeline.scoring.compatibility import check_compatible
from pipeline.scoring.contract import ONNX_FILE, Contract
from pipeline.scoring.engine import Engine
from pipeline.scoring.golden import prove_golden
from pipeline.scoring.prefixes import prove_prefixes
from pipeline.scoring.probe import prove_padding_invariance
from pipeline.scoring.scorer import Scorer

ENGINES = ("auto", "onnx", "keras")


@dataclass(frozen=True)
class Opening:
    """How a bundle is opened for a configuration."""

    engine: str = "auto"
    any_windows: bool = False  # accept a model made for other windows (`check_compatible`)
    batching: Callable[[Engine], BatchPolicy] = attrgetter("batching")  # the batches to score in; the engine's own by default


def load_scorer(
    folder: Path,
    sensors: Sequence[str],
    policy: WindowPolicy,
    *,
    codes: Mapping[str, Sequence[str]] | None = None,
    opening: Opening | None = None,
) -> Scorer:
    """The scorer of a bundle for a configuration. Raises `ModelRefused` for all that could make its scores wrong."""
    opening = opening or Opening()
    with private_copy(folder) as bundle:
        check_compatible(bundle.contract, sensors, policy, codes=codes, override=opening.any_windows)
        engine = _proven(bundle, opening.engine)
        return Scorer(bundle.contract, engine, bundle.sha256, opening.batching(engine))


def open_scorer(bundle: Bundle, engine: str = "auto", batching: BatchPolicy | None = None) -> Scorer:
    """The scorer of a bundle, proven, without regard to a configuration."""
    return Scorer(bundle.contract, _proven(bundle, engine), bundle.sha256, batching)


def _proven(bundle: Bundle, engine: str) -> Engine:
    loaded = load_engine(bundle, engine)
    prove_padding_invariance(loaded, bundle.contract.longest)
    prove_golden(bundle, loaded)
    if loaded.incremental is not None:
        prove_prefixes(loaded, loaded.incremental, bundle.contract.longest)
    return loaded


def load_engine(bundle: Bundle, engine: str = "auto") -> Engine:
    """What runs the bundle's model, which is what its contract says, but not yet proven. Raises `ModelRefused`."""
    loaded = _loaded(bundle, engine)
    _check_signature(bundle.contract, loaded)
    return loaded


def _loaded(bundle: Bundle, engine: str) -> Engine:
    if engine not in ENGINES:
        raise ModelRefused(f"engine {engine!r} is none of {', '.join(ENGINES)}")
    if engine != "keras" and bundle.onnx_file is not None:
        from pipeline.scoring.onnx_engine import OnnxEngine

        return OnnxEngine(bundle.onnx_file, bundle.onnx_growing_file)
    if engine == "onnx":
        why = bundle.contract.untranslated or "the bundle was made without it"
        raise ModelRefused(f'the bundle has no {ONNX_FILE}: {why}; set [model] engine = "auto", which then takes Keras')
    # Importing it starts TensorFlow, which takes seconds: only once everything else is right.
    from pipeline.scoring.keras_engine import KerasEngine

    return KerasEngine(bundle.model_file)


def _check_signature(contract: Contract, engine: Engine) -> None:
    model = engine.signature
    floats = [given for given in model.inputs if given.vocabulary is None]
    for name, ours, theirs in (
        ("input columns", contract.features().width if contract.float_sensors else 0, sum(given.features for given in floats)),
        ("padding_value", contract.padding_value, next((given.padding_value for given in floats), 0.0)),
        (
            "the vocabulary of each code input",
            [sensor.vocabulary for sensor in contract.coded_sensors],
            [given.vocabulary for given in model.inputs if given.vocabulary is not None],
        ),
        # A translated model takes any number of steps, also where the Keras model takes a fixed one.
        ("fixed_length", contract.fixed_length if engine.masks_by_value else None, model.fixed_length),
        ("number of outputs", len(contract.outputs), len(model.outputs)),
        ("number of outputs per step", len(contract.step_outputs), len(model.step_outputs)),
    ):
        if ours != theirs:
            raise ModelRefused(f"the contract and the model of {contract.name!r} disagree: {name} is {ours} there and {theirs} here")

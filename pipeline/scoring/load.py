"""From a bundle folder to a scorer that may be trusted: cheap checks first, the model library only after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.batching import BatchPolicy
from pipeline.core.policy import WindowPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import Bundle, read_bundle
from pipeline.scoring.contract import ONNX_FILE, Contract, check_compatible
from pipeline.scoring.engine import Engine
from pipeline.scoring.probe import prove_padding_invariance
from pipeline.scoring.scorer import Scorer

ENGINES = ("auto", "onnx", "keras")


def load_scorer(
    folder: Path,
    sensors: Sequence[str],
    policy: WindowPolicy,
    *,
    codes: Mapping[str, Sequence[str]] | None = None,
    engine: str = "auto",
    override: bool = False,
) -> Scorer:
    """The scorer of a bundle for a configuration. Raises `ModelRefused` for all that could make its scores wrong.

    `override` accepts a model made for other windows (`check_compatible`).
    """
    bundle = read_bundle(folder)
    check_compatible(bundle.contract, sensors, policy, codes=codes, override=override)
    return open_scorer(bundle, engine)


def open_scorer(bundle: Bundle, engine: str = "auto", batching: BatchPolicy | None = None) -> Scorer:
    """The scorer of a bundle, proven, without regard to a configuration."""
    loaded = load_engine(bundle, engine)
    prove_padding_invariance(loaded, bundle.contract.max_length)
    return Scorer(bundle.contract, loaded, bundle.sha256, batching)


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

        return OnnxEngine(bundle.onnx_file)
    if engine == "onnx":
        why = bundle.contract.keras_only or "the bundle was made without it"
        raise ModelRefused(f'the bundle has no {ONNX_FILE}: {why}; set [model] engine = "auto", which then takes Keras')
    # Importing it starts TensorFlow, which takes seconds: only once everything else is right.
    from pipeline.scoring.keras_engine import KerasEngine

    return KerasEngine(bundle.model_file)


def _check_signature(contract: Contract, engine: Engine) -> None:
    model = engine.signature
    width = 1 if contract.dtype == "int32" else contract.features().width
    for name, ours, theirs in (
        ("dtype", contract.dtype, "int32" if model.integer else "float32"),
        ("input columns", width, model.features),
        ("padding_value", contract.padding_value, model.padding_value),
        ("vocabulary", contract.vocabulary, model.vocabulary),
        # A translated model takes any number of steps, also where the Keras model takes a fixed one.
        ("fixed_length", contract.fixed_length if engine.masks_by_value else None, model.fixed_length),
        ("number of outputs", len(contract.outputs), len(model.outputs)),
    ):
        if ours != theirs:
            raise ModelRefused(f"the contract and the model of {contract.name!r} disagree: {name} is {ours} there and {theirs} here")

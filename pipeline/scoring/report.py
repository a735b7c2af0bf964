"""What `sensorline probe` says about a model or a bundle, check by check. Raises nothing: a refusal is the last finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.engine import Engine, ModelSignature
from pipeline.scoring.keras_file import require_keras_file
from pipeline.scoring.load import load_engine
from pipeline.scoring.probe import LONGEST, prove_padding_invariance


class Finding(NamedTuple):
    """One row; where it is not ok, the model is refused."""

    check: str
    says: str
    ok: bool = True


def examine(model: Path, max_length: int) -> Iterator[Finding]:
    """Findings about a `.keras` file, or about a bundle, for windows of up to `max_length` steps."""
    try:
        yield from _bundle(model) if model.is_dir() else _keras_file(model, max_length)
    except ModelRefused as refusal:
        yield Finding("refused", str(refusal), ok=False)


def _bundle(folder: Path) -> Iterator[Finding]:
    bundle = read_bundle(folder)
    contract = bundle.contract
    yield Finding("files", ", ".join(contract.files))
    engine = load_engine(bundle)
    yield from _engine(engine, contract.max_length)
    yield _runs_on(engine.name, contract.keras_only)


def _keras_file(file: Path, max_length: int) -> Iterator[Finding]:
    require_keras_file(file)
    # They start TensorFlow, which takes seconds: only once it is clear that there is a model.
    from pipeline.scoring.keras_engine import KerasEngine
    from pipeline.scoring.onnx_file import translated

    engine = KerasEngine(file)
    yield from _engine(engine, max_length)
    translation = translated(engine, max_length)
    if translation.content is not None:
        yield Finding("translation", f"scores as Keras on each window alone; largest difference {translation.difference:.1g}")
    yield _runs_on("keras" if translation.content is None else "onnx", translation.keras_only)


def _engine(engine: Engine, max_length: int) -> Iterator[Finding]:
    signature = engine.signature
    yield Finding("input", _input(signature))
    yield Finding("outputs", ", ".join(signature.outputs))
    prove_padding_invariance(engine, max_length)
    if signature.fixed_length is None:
        longest = min(max_length, LONGEST)
        yield Finding("padding", f"the same score alone, padded and in a batch, with 1 to {longest} steps")
    else:
        yield Finding("padding", f"every window is padded to {signature.fixed_length} steps; the same score alone and in a batch")


def _input(signature: ModelSignature) -> str:
    what = f"codes from 1 to {(signature.vocabulary or 1) - 1}" if signature.integer else f"{signature.features} features"
    steps = "any number of steps" if signature.fixed_length is None else f"{signature.fixed_length} steps"
    return f"{what} a step, {steps}, padded with {signature.padding_value:g}"


def _runs_on(engine: str, keras_only: str | None) -> Finding:
    return Finding("engine", engine if keras_only is None else f"{engine}, as {keras_only}")

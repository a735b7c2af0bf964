"""What `sensorline probe` says about a model or a bundle, check by check. Raises nothing: a refusal is the last finding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.engine import Engine, ModelInput
from pipeline.scoring.golden import prove_golden
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
    yield from _engine(engine, contract.longest)
    largest = prove_golden(bundle, engine)
    if largest is None:
        yield Finding("recorded windows", "none in the bundle; `sensorline bundle --recording FILE` keeps some")
    else:
        yield Finding("recorded windows", f"scored as by Keras where the bundle was made; largest difference {largest:.1g}")
    only_last = None if contract.last is None else f"the model sees the last {contract.last} steps"
    yield _grows(engine.incremental is not None and contract.last is None, only_last)
    yield _runs_on(engine.name, contract.untranslated)


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
    yield _grows(translation.growing is not None, translation.needs_whole)
    yield _runs_on(translation.engine, translation.untranslated)


def _engine(engine: Engine, max_length: int) -> Iterator[Finding]:
    signature = engine.signature
    steps = "any number of steps" if signature.fixed_length is None else f"{signature.fixed_length} steps"
    for given in signature.inputs:
        yield Finding(
            f"input {given.name}" if len(signature.inputs) > 1 else "input",
            f"{_input(given)}, {steps}, padded with {given.padding_value:g}",
        )
    yield Finding("outputs", ", ".join(signature.outputs))
    if signature.step_outputs:
        yield Finding("outputs per step", ", ".join(signature.step_outputs))
    prove_padding_invariance(engine, max_length)
    if signature.fixed_length is None:
        longest = min(max_length, LONGEST)
        yield Finding("padding", f"the same score alone, padded and in a batch, with 1 to {longest} steps")
    else:
        yield Finding("padding", f"every window is padded to {signature.fixed_length} steps; the same score alone and in a batch")


def _input(given: ModelInput) -> str:
    return f"{given.features} features a step" if given.vocabulary is None else f"codes from 1 to {given.vocabulary - 1} a step"


def _grows(goes_on: bool, needs_whole: str | None = None) -> Finding:
    whole = "each score goes over the whole window" + ("" if needs_whole is None else f", as {needs_whole}")
    return Finding("growing windows", "goes on with a window where it stood" if goes_on else whole)


def _runs_on(engine: str, untranslated: str | None) -> Finding:
    return Finding("engine", engine if untranslated is None else f"{engine}, as {untranslated}")

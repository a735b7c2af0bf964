"""The page that training leaves beside a model: how it learnt and how good it is on held-out devices, in one file without links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from pipeline.recordings.atomic import atomic_file
from pipeline.scoring.contract import Contract
from pipeline.training import report_plots as plots
from pipeline.training.judged import Judged
from pipeline.training.progress import Epoch
from pipeline.training.recipe import Recipe, Task

REPORT_FILE = "report.html"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1120px; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin-bottom: .2rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }} p {{ color: #555; max-width: 46rem }}
table {{ border-collapse: collapse }} td, th {{ text-align: left; padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #ddd }}
th {{ white-space: nowrap; vertical-align: top }} td {{ font-variant-numeric: tabular-nums }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.5rem }}
figure {{ margin: 0; flex: 1 1 480px; max-width: 544px }} img {{ width: 100% }} figcaption {{ font-weight: 600 }}
</style></head><body>
<h1>{title}</h1><p>{summary}</p>
<h2>On devices that were held out</h2>
{metrics}
<div class="plots">{figures}</div>
<h2>How it was trained</h2>{facts}
</body></html>
"""


@dataclass(frozen=True)
class Training:
    """What there is to report."""

    contract: Contract
    recipe: Recipe
    history: tuple[Epoch, ...]
    best_epoch: int
    judged: Mapping[float, Judged]  # by share of the readings that is left out; empty where nothing was held out


def write_report(training: Training, folder: Path) -> Path:
    """Writes the page into the folder of the bundle. Raises `SensorlineError` where the disk does not take it."""
    path = folder / REPORT_FILE
    with atomic_file(path) as file:
        file.write(page(training).encode())
    return path


def page(training: Training) -> str:
    """The page as HTML."""
    contract = training.contract
    return _PAGE.format(
        title=escape(f"{contract.name} {contract.version}"),
        summary=escape(_summary(training)),
        metrics=_table(_metric_rows(contract.metrics["held_out"])),
        figures="".join(_figure(caption, plots.as_png(draw)) for caption, draw in _drawings(training)),
        facts=_table(_fact_rows(training)),
    )


def _summary(training: Training) -> str:
    contract = training.contract
    windows = contract.metrics["windows"]
    learnt = f"A {training.recipe.task} model of {', '.join(contract.sensor_names)}, trained on {windows['training']:,} windows"
    if not training.judged:
        return f"{learnt}. No device was held out, so nothing is known of how good it is on others."
    return (
        f"{learnt} and judged by {windows['held_out']:,} windows of {len(contract.metrics['held_out_devices'])} devices it never saw. "
        "The best epoch was chosen by the latter, so these figures are a little too good."
    )


def _drawings(training: Training) -> Iterator[tuple[str, Any]]:
    yield "Loss by epoch", partial(plots.draw_learning, history=training.history, best_epoch=training.best_epoch)
    judged = training.judged.get(0)
    if judged is None:
        return
    if judged.task is Task.CLASSIFICATION:
        yield "Answers by class", partial(plots.draw_classes, judged=judged)
    elif judged.task is Task.FORECAST:
        threshold = training.contract.metrics["held_out"]["threshold"]
        yield "Errors of the forecast", partial(plots.draw_errors, errors=judged.errors, threshold=threshold)
    else:
        for column, output in enumerate(judged.outputs):
            yield f"Predicted against true: {output}", partial(plots.draw_found, judged=judged, column=column)
    yield "Error by length of the window", partial(plots.draw_by_length, judged=judged)
    if len(training.judged) > 1:
        yield "Error by share of the readings left out", partial(plots.draw_by_share, judged=training.judged)


def _metric_rows(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}: {inner}", text) for inner, text in _metric_rows(value))
        else:
            yield name.replace("_", " "), f"{value:.4g}"


def _fact_rows(training: Training) -> Iterator[tuple[str, str]]:
    contract, recipe = training.contract, training.recipe
    architecture, fitting = recipe.architecture, recipe.fitting
    direction = ", both ways" if architecture.bidirectional else ""
    yield "layers", f"{architecture.cell} {' + '.join(map(str, architecture.units))}{direction}"
    yield "pooling", "attention over the steps" if architecture.attention else "the last state"
    yield "dense layers", ", ".join(map(str, architecture.dense)) or "none"
    yield "dropout", f"{architecture.dropout:g}, of input columns {architecture.input_dropout:g}"
    yield "inputs", ", ".join(_shown(msgspec.to_builtins(channel)) for channel in contract.channels)
    if contract.conditions:
        yield "operating conditions", f"{len(contract.conditions)}, told by {', '.join(contract.settings)}"
    yield "windows", _shown({name: value for name, value in contract.window.items() if name != "sensors"})
    yield "last steps that it sees", str(contract.last or "all")
    yield "epochs", f"{len(training.history)}, best {training.best_epoch}"
    yield "batches", f"{fitting.batch_size} windows, {_of_device(fitting.stride)} in each epoch"
    yield "learning rate", f"at most {fitting.learning_rate:g}"
    yield "seed", str(fitting.seed)
    yield "libraries", ", ".join(f"{name} {version}" for name, version in contract.libraries.items())


def _shown(facts: Mapping[str, Any]) -> str:
    """The values that are set, each with its name but for the first; a list with commas between."""
    texts = {
        name: ",".join(f"{item:g}" for item in value) if isinstance(value, list) else str(value) for name, value in facts.items() if value
    }
    first, *others = texts
    return " ".join([texts[first], *(f"{name} {texts[name]}" for name in others)])


def _of_device(stride: int) -> str:
    return "all of a device" if stride == 1 else f"one in {stride} of a device"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>" if cells else "<p>Nothing was held out.</p>"


def _figure(caption: str, image: str) -> str:
    return f'<figure><figcaption>{escape(caption)}</figcaption><img alt="{escape(caption)}" src="{image}"></figure>'

"""What missing data costs a model of remaining useful life: `python -m tests.bench robustness`.

Needs the C-MAPSS files in `SENSORLINE_DATA`. Two recipes learn from the training engines of FD001: the one of the benchmark
cmapss, which counts steps, and one whose inputs know time and that has also learnt from thinned copies of the recording. The
same bundles then score the test engines with readings left out, sensors gone, and clocks that jitter; the truth of an engine
is that at the last cycle of which anything arrived. None is left out.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from pipeline.config import Settings, load
from pipeline.core.channels import Unit
from pipeline.evaluation.evaluate import Options, Which, evaluate
from pipeline.evaluation.truth import Truth
from pipeline.recordings.files import read_recording
from pipeline.records import Reading
from pipeline.scoring.bundle import read_bundle
from pipeline.training.disturb import Disturbance, disturbed
from pipeline.training.labels import Key, LabelTable, read_label_table
from pipeline.training.recipe import Recipe
from producers.cmapss import CYCLE_MS
from tests.bench.bench_cmapss import CHANNELS, RECIPES, kept, prepared
from tests.support.trained import ROOT, Workshop

RECOMMENDED = f"value,delta,ema:10h,30h,90h,age:{Unit.SECONDS}/720000"
PLAIN_NAME, RECOMMENDED_NAME = "steps", "time, thinned"
RECIPES_BY_NAME = {
    PLAIN_NAME: RECIPES["FD001"],
    RECOMMENDED_NAME: f"{RECIPES['FD001'].replace(CHANNELS, RECOMMENDED)} --thin 0.3,0.5",
}
BUNDLES = {PLAIN_NAME: "steps", RECOMMENDED_NAME: "time-thinned"}

# An engine that is not heard from for long is not a new engine: half of the cycles may be missing.
SETTINGS = {"window__idle_timeout": "30d"}

NOTHING = "as recorded"
DROPPED = (0.1, 0.3, 0.5)
DISTURBANCES: Mapping[str, Disturbance] = {
    NOTHING: Disturbance(),
    **{f"{share:.0%} of the readings left out": Disturbance(drop=share) for share in DROPPED},
    "30% of the values left out": Disturbance(blank=0.3),
    "10% of the sensors gone": Disturbance(sensors_out=0.1),
    "clocks jitter by up to 30 min": Disturbance(jitter_ms=CYCLE_MS // 2),
}
COLOURS = {PLAIN_NAME: "#D55E00", RECOMMENDED_NAME: "#0072B2"}

Errors = dict[str, list[float]]  # by disturbance: for each seed and draw


def main(arguments: Sequence[str] = ()) -> None:
    """Prints a table and draws a picture."""
    parser = argparse.ArgumentParser("python -m tests.bench robustness", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--draws", type=int, default=2, help="so many times each disturbance is drawn")
    parser.add_argument("--keep", type=Path, help="keep the models in this folder, and go on with those that are there")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "pictures" / "robustness.png")
    chosen = parser.parse_args(list(arguments))
    logging.disable(logging.WARNING)  # that the disturbed data drift away from the training's is the point
    with kept(chosen.keep) as folder:
        workshop = replace(prepared(folder, "FD001"), settings=SETTINGS)
        found = {name: errors_of(workshop, name, chosen.seeds, chosen.draws) for name in RECIPES_BY_NAME}
    show(found)
    draw(found, chosen.picture)


def errors_of(workshop: Workshop, name: str, seeds: int, draws: int) -> Errors:
    """The clipped root mean square errors of the recipe's models."""
    errors: Errors = {disturbance: [] for disturbance in DISTURBANCES}
    for seed in range(1, seeds + 1):
        bundle = f"{BUNDLES[name]}-{seed}"
        workshop.train(
            bundle, workshop.folder / "FD001-train", *RECIPES_BY_NAME[name].split(), "--cell", "gru", "--holdout", "0", "--seed", str(seed)
        )
        for what, disturbance in DISTURBANCES.items():
            for number in range(1 if what == NOTHING else draws):
                errors[what].append(error_of(workshop, bundle, replace(disturbance, seed=number + 1)))
    return errors


def error_of(workshop: Workshop, bundle: str, disturbance: Disturbance) -> float:
    """At the last cycle of each test engine of which anything arrived."""
    settings = load(workshop.configuration, {"SENSORLINE_WINDOW__IDLE_TIMEOUT": SETTINGS["window__idle_timeout"]}).settings
    data = workshop.folder / "FD001-test"
    readings = list(read_recording(data / "recording.parquet"))
    table = read_label_table(data / "labels.parquet", Recipe())
    truth = Truth(replace(table, rows=dict(moved(table, readings, disturbance))))
    left = sorted(disturbed(readings, disturbance), key=lambda reading: reading.time)
    return judged(settings, left, workshop.folder / bundle, truth)


def judged(settings: Settings, readings: Sequence[Reading], bundle: Path, truth: Truth) -> float:
    """The clipped error by the real pipeline; every engine is judged."""
    verdict = evaluate(settings, readings, read_bundle(bundle), truth, Options(Which.LAST))
    assert len(verdict.cases.devices) == len({device for device, _ in truth.table.rows}), "every engine is judged"
    error: float = verdict.numbers["metrics"]["rul"]["rmse_capped"]
    return error


def moved(table: LabelTable, readings: Sequence[Reading], disturbance: Disturbance) -> Iterator[tuple[Key, int]]:
    """The rows of the labels by the times that the readings have after jitter, which loses none."""
    jittered = disturbed(readings, Disturbance(jitter_ms=disturbance.jitter_ms, seed=disturbance.seed))
    for before, after in zip(readings, jittered, strict=True):
        yield (after.device, after.time), table.rows[before.device, before.time]


def show(found: Mapping[str, Errors]) -> None:
    """Prints the errors, and by how much each grows."""
    table = Table("FD001, test engines", *(f"{name}: {what}" for name in found for what in ("clipped RMSE", "growth")))
    for what in DISTURBANCES:
        cells = []
        for errors in found.values():
            whole, here = np.mean(errors[NOTHING]), np.mean(errors[what])
            cells += [f"{here:.2f} ± {np.std(errors[what]):.2f}", "" if what == NOTHING else f"{here / whole - 1:+.1%}"]
        table.add_row(what, *cells)
    Console(width=140).print(table)


def draw(found: Mapping[str, Errors], path: Path) -> None:
    """The error by the share of the readings that is left out."""
    shares = (0.0, *DROPPED)
    names = (NOTHING, *(f"{share:.0%} of the readings left out" for share in DROPPED))
    style: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(6.4, 3.6), dpi=120, layout="constrained")
        axes = figure.add_subplot()
        for name, errors in found.items():
            means, deviations = (np.array([function(errors[it]) for it in names]) for function in (np.mean, np.std))
            axes.fill_between(shares, means - deviations, means + deviations, color=COLOURS[name], alpha=0.15, linewidth=0)
            axes.plot(shares, means, color=COLOURS[name], marker="o", label=name)
        axes.set(xlabel="share of the readings left out", ylabel="clipped RMSE, cycles", xticks=shares)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.set_ylim(bottom=0)
        axes.legend(title="inputs")
        figure.savefig(path)


if __name__ == "__main__":
    main()

"""Remaining useful life of NASA's turbofan engines, as `sensorline train` and `evaluate` give it: `python -m tests.bench cmapss`.

Needs the C-MAPSS files in `SENSORLINE_DATA`. For each seed two models learn by one recipe, which was chosen by engines of the
training file that were held out: one from 80 % of the training engines, whose best epoch the others tell; they judge it, by all
of their cycles. The other learns from all training engines, for all epochs. Both are judged by the last cycle of each test
engine, none left out.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.recordings.labels import read_labels
from pipeline.scoring.bundle import read_bundle
from pipeline.wire.predictions import decode_prediction
from producers.cmapss import SUBSETS
from tests.support.kafka_server import running_kafka
from tests.support.trained import DATA, ROOT, Workshop

CAP = 125.0
HELD_OUT = 0.2
MEASURES = ("rmse_capped", "phm_score_capped", "rmse", "phm_score")

RECIPE = f"--cap {CAP:g} --cap-weight 0.5 --last 30 --units 64 --dropout 0.2 --dense 32 --epochs 14 --batch-size 64 --learning-rate 0.003"
CHANNELS = "value,ema:10,30,90,age/200"
CONDITIONS = "--stride 6 --conditions 6 --settings setting_1,setting_2,setting_3"
RECIPES = {
    "FD001": f"{RECIPE} --channels {CHANNELS} --stride 3",
    "FD002": f"{RECIPE} --channels ema:10,30,90,age/200 {CONDITIONS}",  # on held-out engines better by 0.3 than with `value`
    "FD003": f"{RECIPE} --channels {CHANNELS} --stride 3",
    "FD004": f"{RECIPE} --channels {CHANNELS} {CONDITIONS}",
}
EXAMPLES = {"FD001": "cmapss", "FD002": "cmapss-conditions", "FD003": "cmapss", "FD004": "cmapss-conditions"}
# The training engines of FD003 vary in two sensors more than those of FD001.
SETTINGS = {"FD003": {"sensors__names": ",".join(f"sensor_{it}" for it in (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 20, 21))}}


def main(arguments: Sequence[str] = ()) -> None:
    """Prints a table: a row for each subset and cell."""
    parser = argparse.ArgumentParser("python -m tests.bench cmapss", description=__doc__)
    parser.add_argument("--subset", action="append", choices=SUBSETS, help="may be repeated; without it all")
    parser.add_argument("--cell", action="append", choices=("gru", "lstm"), help="may be repeated; without it gru")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep everything in this folder, and go on with what is there")
    parser.add_argument("--no-validation", action="store_true", help="only the models that learn from all engines")
    parser.add_argument("--kafka", action="store_true", help="also replay the test engines of FD001 through a real Kafka")
    chosen = parser.parse_args(list(arguments))
    with kept(chosen.keep) as folder:
        table = Table(
            "", "held out: RMSE", "of 80 %: clipped RMSE", "of all: clipped RMSE", "clipped PHM score", "raw RMSE", "raw PHM score"
        )
        for cell in chosen.cell or ["gru"]:
            for subset in chosen.subset or SUBSETS:
                workshop = prepared(folder, subset)
                seeds = range(1, chosen.seeds + 1)
                learnt = [learn(workshop, subset, cell, seed) for seed in seeds]
                checked = [learn(workshop, subset, cell, seed, held_out=True) for seed in seeds if not chosen.no_validation]
                of_some = (spread(checked, "held_out"), spread(checked, "rmse_capped"))
                table.add_row(f"{subset} {cell}", *of_some, *(spread(learnt, measure) for measure in MEASURES))
        Console(width=140).print(f"mean ± standard deviation of {chosen.seeds} seeds", table)
        if chosen.kafka:
            on_kafka(prepared(folder, "FD001"), (chosen.cell or ["gru"])[0])


@contextmanager
def kept(folder: Path | None) -> Iterator[Path]:
    """The folder, or one for the time being."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def prepared(folder: Path, subset: str) -> Workshop:
    """The folder with the recordings and labels of a subset."""
    workshop = Workshop(folder, ROOT / "examples" / f"{EXAMPLES[subset]}.toml", SETTINGS.get(subset, {}))
    for split in ("train", "test"):
        if not (folder / f"{subset}-{split}").is_dir():
            workshop.run("convert", "cmapss", str(DATA / "cmapss"), "--subset", subset, "--split", split, "--out", f"{subset}-{split}")
    return workshop


def learn(workshop: Workshop, subset: str, cell: str, seed: int, held_out: bool = False) -> dict[str, Any]:
    """The measures of one model at the last cycle of each test engine; `held_out`: the clipped error on training engines of the 20 %."""
    name = f"{subset}-{cell}-{seed}{'-80' if held_out else ''}"
    options = [*RECIPES[subset].split(), "--cell", cell, "--seed", str(seed), "--holdout", f"{HELD_OUT if held_out else 0:g}"]
    bundle = workshop.train(name, workshop.folder / f"{subset}-train", *options)
    found = workshop.evaluate(name, workshop.folder / f"{subset}-test", "--which", "last")
    assert found["counts"]["refused"] == found["counts"]["unlabelled"] == found["counts"]["too_short"] == 0, "every engine is judged"
    validation = read_bundle(bundle).contract.metrics["held_out"].get("rul", {})
    return {"held_out": validation.get("rmse"), **found["metrics"]["rul"]}


def spread(models: Sequence[dict[str, Any]], measure: str) -> str:
    """Mean and standard deviation over the seeds."""
    if not models:
        return "-"
    numbers = [model[measure] for model in models]
    digits = 0 if measure.startswith("phm") else 2
    deviation = f" ± {np.std(numbers, ddof=1):.{digits}f}" if len(numbers) > 1 else ""
    return f"{np.mean(numbers):,.{digits}f}{deviation}"


def on_kafka(workshop: Workshop, cell: str) -> None:
    """The test engines of FD001 through a real Kafka: the same predictions at the last cycles."""
    name = f"FD001-{cell}-1"
    expected = learn(workshop, "FD001", cell, 1)["rmse"]
    truth = {
        (label.device, label.time): float(label.outputs["rul"]) for label in read_labels(workshop.folder / "FD001-test/labels.parquet")
    }
    last = {device: max(time for owner, time in truth if owner == device) for device in {device for device, _ in truth}}
    with running_kafka() as address:
        there = Workshop(
            workshop.folder, workshop.configuration, {"broker__url": f"kafka://{address}", "model__path": str(workshop.folder / name)}
        )
        there.run("topics", "create")
        there.run("replay", "FD001-test/recording.parquet", "--speed", "max")
        there.run("run", "--drain")
        predictions = list(map(decode_prediction, there.run("tail", "predictions", "--from-start", "--until-end").splitlines()))
    found = {it.device: it.outputs["rul"] for it in predictions if it.window.end == last[it.device]}
    assert found.keys() == last.keys(), "every engine is judged"
    error = float(np.sqrt(np.mean([(found[device] - truth[device, time]) ** 2 for device, time in last.items()])))
    Console().print(f"on Kafka: {len(predictions):,} predictions, raw RMSE {error:.4f}; in memory {expected:.4f}")


if __name__ == "__main__":
    main()

"""How many people are in a room, by its climate, in runs and in a room that the model never saw: `python -m tests.bench occupancy`.

Needs the room climate data sets (Morgner et al., ESORICS 2017) in `SENSORLINE_DATA`. Each node is judged by itself: five
minutes of its temperature, humidity and light, with all the gaps and bursts of the radio. Learnt from three of four runs at
locations A and C; judged on the other runs there, and on all runs at location B. Beside it gradient boosting on statistics of
the very same windows, with and without the levels of the values, which the network does not see.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.config import load
from pipeline.core.judging import f1_macro
from pipeline.core.ragged import ragged
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_of
from pipeline.training.dataset import LabelledWindows, label_windows
from pipeline.training.labels import read_label_table
from pipeline.training.recipe import Recipe, Task
from pipeline.wire.readings import ReadingDecoder
from tests.bench.bench_cmapss import kept
from tests.support.trained import DATA, ROOT, Workshop

EXAMPLE = ROOT / "examples" / "room-climate.toml"
OUTPUT = "occupants"
LEARNT_FROM, UNSEEN = "AC", "B"
EVERY = 4  # of the runs at a location that is learnt from, every fourth is held back
RECIPE = (
    f"--task classification --output {OUTPUT} --balanced --channels change,delta --cell gru --units 64 --dense 32"
    " --dropout 0.3 --epochs 8 --stride 2"
)


class Statistics(NamedTuple):
    """Of windows, for each sensor."""

    levels: NDArray[np.float64]  # mean, least, greatest, first, last
    shapes: NDArray[np.float64]  # spread, range, change, last less mean, slope per hour; number of steps, hours
    classes: list[str]


def main(arguments: Sequence[str] = ()) -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser("python -m tests.bench occupancy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep everything in this folder, and go on with what is there")
    chosen = parser.parse_args(list(arguments))
    table = Table(
        "judged on",
        "windows",
        "most frequent",
        "GRU accuracy",
        "GRU macro F1",
        "boosting accuracy",
        "macro F1",
        "without levels: accuracy",
        "macro F1",
    )
    with kept(chosen.keep) as folder:
        workshop = Workshop(folder, EXAMPLE)
        for part, runs in parts().items():
            if not (folder / part).is_dir():
                convert(workshop, part, runs)
        seeds = range(1, chosen.seeds + 1)
        for seed in seeds:
            workshop.train(f"gru-{seed}", folder / "learn", *RECIPE.split(), "--seed", str(seed))
        training = statistics(labelled(folder / "learn"))
        for part, name in (("unseen-runs", f"other runs at {LEARNT_FROM[0]} and {LEARNT_FROM[1]}"), ("unseen-room", f"location {UNSEEN}")):
            found = [workshop.evaluate(f"gru-{seed}", folder / part, label=part) for seed in seeds]
            judged = statistics(labelled(folder / part))
            boosting = [zip(*(boosted(training, judged, seed, levels) for seed in seeds), strict=True) for levels in (True, False)]
            frequent = found[0]["metrics"]["accuracy_of_most_frequent"]
            networks = [[it["metrics"][measure] for it in found] for measure in ("accuracy", "f1_macro")]
            rest = (spread(it) for it in (*networks, *boosting[0], *boosting[1]))
            table.add_row(name, f"{found[0]['counts']['judged']:,}", f"{frequent:.3f}", *rest)
    Console(width=140).print(f"mean ± standard deviation of {chosen.seeds} seeds", table)


def parts() -> dict[str, list[Path]]:
    """The files of the runs, by what they are for."""
    runs = {it: sorted((DATA / "room_climate" / f"datasets-location_{it}").glob("*.csv.gz")) for it in (*LEARNT_FROM, UNSEEN)}
    numbered = [(number, run) for location in LEARNT_FROM for number, run in enumerate(runs[location])]
    return {
        "learn": [run for number, run in numbered if number % EVERY],
        "unseen-runs": [run for number, run in numbered if number % EVERY == 0],
        "unseen-room": runs[UNSEEN],
    }


def convert(workshop: Workshop, part: str, runs: Sequence[Path]) -> None:
    """A recording of these runs, and its labels."""
    chosen = workshop.folder / f"{part}-runs"
    chosen.mkdir(exist_ok=True)
    for run in runs:
        (chosen / run.name).unlink(missing_ok=True)
        (chosen / run.name).symlink_to(run.absolute())
    workshop.run("convert", "room-climate", str(chosen), "--out", part)


def labelled(data: Path) -> LabelledWindows:
    """The windows of the configuration, with their classes."""
    settings = load(EXAMPLE, {}).settings
    readings = in_replay_order(data / "recording.parquet").readings
    windows = windows_of(readings, settings.window.policy(), ReadingDecoder(settings.sensors.names), Counter())
    return label_windows(windows, read_label_table(data / "labels.parquet", Recipe(task=Task.CLASSIFICATION, outputs=(OUTPUT,))))


def statistics(labelled: LabelledWindows) -> Statistics:
    """By numpy, as a practitioner would."""
    steps = ragged(labelled.windows)
    ends = np.cumsum(steps.lengths)
    levels, shapes = [], []
    for begin, end in zip(ends - steps.lengths, ends, strict=True):
        values, times = steps.values[begin:end].astype(np.float64), steps.times[begin:end]
        mean, least, greatest, first, last = values.mean(0), values.min(0), values.max(0), values[0], values[-1]
        hours = (times - times[0]) / 3_600_000
        centred = hours - hours.mean()
        slope = centred @ (values - mean) / max(float(centred @ centred), 1e-12)
        levels.append(np.concatenate([mean, least, greatest, first, last]))
        shapes.append(np.concatenate([values.std(0), greatest - least, last - first, last - mean, slope, [len(values), hours[-1]]]))
    classes = [labelled.outputs[column] for column in labelled.targets.argmax(axis=1)]
    return Statistics(np.array(levels), np.array(shapes), classes)


def boosted(training: Statistics, judged: Statistics, seed: int, with_levels: bool) -> tuple[float, float]:
    """(accuracy, macro F1) of gradient boosting."""
    learnt, asked = (np.hstack([it.levels, it.shapes]) if with_levels else it.shapes for it in (training, judged))
    model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed).fit(learnt, training.classes)
    names = {name: number for number, name in enumerate(sorted({*training.classes, *judged.classes}))}
    answers, classes = (np.array([names[name] for name in found]) for found in (model.predict(asked), judged.classes))
    return float((answers == classes).mean()), f1_macro(answers, classes)


def spread(numbers: Sequence[float]) -> str:
    """Mean and standard deviation over the seeds."""
    return f"{np.mean(numbers):.3f} ± {np.std(numbers):.3f}"


if __name__ == "__main__":
    main()

"""A verdict as one HTML page that needs nothing else: its pictures are in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.evaluate import Verdict
from pipeline.evaluation.judge import measures
from pipeline.recordings.atomic import atomic_file
from pipeline.training import report_plots as plots
from pipeline.training.judged import Judged
from pipeline.training.recipe import Task

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1120px; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin-bottom: .2rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }} p {{ color: #555; max-width: 46rem }}
table {{ border-collapse: collapse }} td, th {{ text-align: left; padding: .2rem 1.5rem .2rem 0; border-bottom: 1px solid #ddd }}
td {{ font-variant-numeric: tabular-nums }}
.plots {{ display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.5rem }}
figure {{ margin: 0; flex: 1 1 480px; max-width: 544px }} img {{ width: 100% }} figcaption {{ font-weight: 600 }}
</style></head><body>
<h1>{title}</h1><p>{summary}</p>
<h2>How good</h2>{metrics}
<div class="plots">{figures}</div>
<h2>Which windows</h2>{counts}
</body></html>
"""


def write_page(verdict: Verdict, recording: Path, path: Path) -> None:
    """Writes the page. Raises `SensorlineError` where the disk does not take it."""
    with atomic_file(path) as file:
        file.write(html_page(verdict, recording).encode())


def html_page(verdict: Verdict, recording: Path) -> str:
    """The page."""
    numbers = verdict.numbers
    counts = numbers["counts"]
    windows = "the last window of each" if numbers["which"] == "last" else "all windows"
    return _PAGE.format(
        title=escape(f"{numbers['model']} on {recording}"),
        summary=escape(f"A {numbers['task']} model, judged by {windows} of {counts['devices']:,} devices: {counts['judged']:,}."),
        metrics=_table(dict(measures(numbers["metrics"]))),
        figures="".join(_figure(caption, plots.as_png(draw)) for caption, draw in _drawings(verdict)),
        counts=_table({name.replace("_", " "): f"{count:,}" for name, count in counts.items()}),
    )


def _drawings(verdict: Verdict) -> Iterator[tuple[str, Any]]:
    cases, cap = verdict.cases, verdict.judgement.cap
    task = Task(verdict.numbers["task"])
    wanted = cases.wanted if cap is None else np.minimum(cases.wanted, cap)
    judged = Judged(task, cases.outputs, cases.found.astype(np.float32), wanted.astype(np.float32), cases.lengths)
    if task is Task.CLASSIFICATION:
        yield "Answers by class", partial(plots.draw_classes, judged=judged)
    elif task is Task.REGRESSION:
        capped = "" if cap is None else f", at most {cap:g}"
        for column, output in enumerate(cases.outputs):
            yield f"Predicted against true: {output}{capped}", partial(plots.draw_found, judged=judged, column=column)
    elif verdict.judgement.threshold is not None:
        yield "Errors of the forecast", partial(plots.draw_errors, errors=judged.errors, threshold=verdict.judgement.threshold)
    yield "Error by length of the window", partial(plots.draw_by_length, judged=judged)


def _table(rows: Mapping[str, str]) -> str:
    return f"<table>{''.join(f'<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in rows.items())}</table>"


def _figure(caption: str, image: str) -> str:
    return f'<figure><figcaption>{escape(caption)}</figcaption><img alt="{escape(caption)}" src="{image}"></figure>'

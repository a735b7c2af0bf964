"""The page that training leaves beside a model says how it learnt and how good it is, in one file."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.policy import WindowPolicy
from pipeline.scoring.contract import Contract
from pipeline.training.judged import Judged
from pipeline.training.progress import Epoch
from pipeline.training.recipe import Recipe, Task
from pipeline.training.report import Training, page, write_report
from tests.support.models import make_contract


class Seen(HTMLParser):
    """Texts of a page, and the sources of its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.pictures: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def training(policy: WindowPolicy, task: Task, **changes: Any) -> Training:
    random = np.random.default_rng(1)
    wanted = random.normal(size=(60, 2)).astype(np.float32)
    if task is Task.CLASSIFICATION:
        wanted = np.eye(2, dtype=np.float32)[random.integers(0, 2, 60)]
    found = (wanted + random.normal(0, 0.1, wanted.shape)).astype(np.float32)
    judged = Judged(task, ("left", "right"), found, wanted, random.integers(1, 40, 60))
    recipe = Recipe(task=task)
    metrics = {
        "held_out": judged.metrics(recipe, np.zeros(2, np.float32)),
        "held_out_devices": ["pump-1", "pump-2"],
        "windows": {"training": 1234, "held_out": 60},
    }
    contract: Contract = make_contract(policy, metrics=metrics, libraries={"keras": "3"})
    history = (Epoch(1, 3, 0.9, 0.8), Epoch(2, 3, 0.5, 0.4), Epoch(3, 3, 0.3, 0.6))
    return replace(Training(contract, recipe, history, 2, {0.0: judged}), **changes)


@pytest.mark.parametrize(
    ("task", "captions"),
    [
        (Task.REGRESSION, ["Predicted against true: left", "Predicted against true: right"]),
        (Task.CLASSIFICATION, ["Answers by class"]),
        (Task.FORECAST, ["Errors of the forecast"]),
    ],
)
def test_the_page_has_the_figures_of_its_task_as_pictures_in_itself(task: Task, captions: list[str], policy: WindowPolicy) -> None:
    seen = Seen(page(training(policy, task)))
    shown = [text for text in seen.texts if text in {"Loss by epoch", "Error by length of the window", *captions}]
    assert shown == ["Loss by epoch", *captions, "Error by length of the window"]
    assert len(seen.pictures) == len(shown)
    assert all(picture.startswith("data:image/png;base64,") for picture in seen.pictures)


def test_the_page_tells_the_metrics_and_how_it_was_trained(policy: WindowPolicy, tmp_path: Path) -> None:
    told = training(policy, Task.REGRESSION)
    file = write_report(told, tmp_path)
    text = file.read_text()
    seen = Seen(text)
    assert "pump 7" in seen.texts
    rmse = told.contract.metrics["held_out"]["left"]["rmse"]
    assert seen.texts[seen.texts.index("left: rmse") + 1] == f"{rmse:.4g}"
    assert seen.texts[seen.texts.index("epochs") + 1] == "3, best 2"
    assert "1,234 windows and judged by 60 windows of 2 devices" in text
    assert not re.findall(r"(?:href|src)=\"(?!data:)", text), "it needs nothing from elsewhere"


def test_errors_of_thinned_recordings_are_shown_where_they_were_measured(policy: WindowPolicy) -> None:
    told = training(policy, Task.REGRESSION)
    thinned = replace(told, judged={0.0: told.judged[0], 0.3: told.judged[0]})
    caption = "Error by share of the readings left out"
    assert caption in Seen(page(thinned)).texts
    assert caption not in Seen(page(told)).texts


def test_names_are_text_on_the_page(policy: WindowPolicy) -> None:
    told = training(
        policy, Task.REGRESSION, contract=make_contract(policy, name="<b>", metrics=training(policy, Task.REGRESSION).contract.metrics)
    )
    assert "<b> 7" in Seen(page(told)).texts


def test_without_held_out_devices_only_the_learning_is_shown(policy: WindowPolicy) -> None:
    metrics = {"held_out": {}, "held_out_devices": [], "windows": {"training": 10, "held_out": 0}}
    history = (Epoch(1, 2, 0.9, None), Epoch(2, 2, 0.5, None))
    text = page(training(policy, Task.REGRESSION, judged={}, history=history, contract=make_contract(policy, metrics=metrics)))
    assert len(Seen(text).pictures) == 1
    assert "No device was held out" in text

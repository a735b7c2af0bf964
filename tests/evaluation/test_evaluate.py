"""`sensorline evaluate` on models whose predictions are known."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import load
from pipeline.core.channels import Unit
from pipeline.recordings.files import read_recording
from pipeline.recordings.labels import Label, write_labels
from pipeline.records import Prediction
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.contract import ContractOutput, ContractSensor
from tests.evaluation.conftest import MISSED_BY
from tests.support.commands import Done, command_line, environment
from tests.support.models import layers, save, sequential


def evaluate(project: Path, *arguments: str) -> Done:
    line = command_line("evaluate", *arguments, "--recording", "fleet.parquet")
    return subprocess.run(line, cwd=project, env=environment(), capture_output=True, text=True, check=False, timeout=120)


def judged(project: Path, *arguments: str) -> dict[str, Any]:
    """The JSON that a successful evaluation prints."""
    done = evaluate(project, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    numbers: dict[str, Any] = json.loads(done.stdout)
    return numbers


@pytest.fixture(scope="module")
def sensors(project: Path) -> list[ContractSensor]:
    return [ContractSensor(name) for name in load(project / "sensorline.toml", {}).settings.sensors.names]


@pytest.fixture(scope="module")
def add_bundle(project: Path, sensors: list[ContractSensor]) -> Callable[[str, str, tuple[str, ...]], None]:
    """Adds an untrained bundle `models/NAME` of a task and with these outputs."""

    def add(name: str, task: str, outputs: tuple[str, ...]) -> None:
        activation = "softmax" if task == "classification" else None
        dense = layers.Dense(len(outputs), activation=activation)
        file = save(sequential(layers.Masking(), layers.LSTM(4), dense, shape=(None, len(sensors))), project / "keras" / name)
        adoption = Adoption(name=name, task=task, outputs=tuple(map(ContractOutput, outputs)))
        bundle_model(file, project / "models" / name, sensors, load(project / "sensorline.toml", {}).settings.window.policy(), adoption)

    return add


def test_the_error_is_that_of_the_predictions_that_the_pipeline_makes(project: Path, predictions: list[Prediction]) -> None:
    numbers = judged(project, "models/one", "--labels", "labels.parquet")
    assert numbers["counts"] == {
        "judged": len(predictions),
        "devices": len({it.device for it in predictions}),
        "windows": len(predictions),
        "too_short": 0,
        "refused": 0,
        "unlabelled": 0,
    }
    wear = numbers["metrics"]["wear"]
    assert (wear["rmse"], wear["mae"]) == (pytest.approx(MISSED_BY, rel=1e-4), pytest.approx(MISSED_BY, rel=1e-4))
    assert wear["phm_score"] == pytest.approx(len(predictions) * np.expm1(MISSED_BY / 13), rel=1e-4)


def test_only_the_last_window_of_each_device_can_be_judged(project: Path, predictions: list[Prediction]) -> None:
    numbers = judged(project, "models/one", "--labels", "labels.parquet", "--which", "last")
    assert numbers["counts"]["judged"] == numbers["counts"]["devices"] == len({it.device for it in predictions})
    assert numbers["counts"]["windows"] == len(predictions)


def test_a_cap_is_of_the_labels(project: Path, predictions: list[Prediction]) -> None:
    wear = judged(project, "models/one", "--labels", "labels.parquet", "--cap", "0")["metrics"]["wear"]
    wanted = np.minimum([it.outputs["wear"] + MISSED_BY for it in predictions], 0)
    assert wear["rmse_capped"] == pytest.approx(np.sqrt(np.mean((wanted - [it.outputs["wear"] for it in predictions]) ** 2)), rel=1e-4)


def test_windows_without_a_label_are_counted(project: Path, predictions: list[Prediction]) -> None:
    labels = (Label(it.device, it.window.end, {"wear": 0.0}) for it in predictions[5:])
    write_labels(project / "fewer.parquet", labels, ("wear",))
    counts = judged(project, "models/one", "--labels", "fewer.parquet")["counts"]
    assert (counts["judged"], counts["unlabelled"]) == (len(predictions) - 5, 5)


def test_without_labels_what_a_device_has_left_is_true(project: Path, predictions: list[Prediction]) -> None:
    wear = judged(project, "models/one", "--end-of-life", Unit.SECONDS)["metrics"]["wear"]
    last = {it.device: max(other.window.end for other in predictions if other.device == it.device) for it in predictions}
    errors = [it.outputs["wear"] - (last[it.device] - it.window.end) / 1000 for it in predictions]
    assert wear["rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-4)


def test_a_classifier_that_is_right_is_found_right(
    project: Path, predictions: list[Prediction], add_bundle: Callable[[str, str, tuple[str, ...]], None]
) -> None:
    add_bundle("classes", "classification", ("state_idle", "state_work"))
    ends = sorted({(it.device, it.window.end) for it in predictions})
    rows = [f"{device},{end},{'idle' if number % 2 else 'work'}" for number, (device, end) in enumerate(ends)]
    (project / "states.csv").write_text("\n".join(["device,time,state", *rows]) + "\n")
    metrics = judged(project, "models/classes", "--labels", "states.csv", "--normal", "work")["metrics"]
    assert metrics["normal"] == "state_work"
    assert metrics["accuracy_of_most_frequent"] == pytest.approx(0.5, abs=0.01)
    # Two classes: whatever it answers, it is right where it neither alarms falsely nor misses.
    assert metrics["accuracy"] == pytest.approx(1 - (metrics["false_alarm_rate"] + metrics["missed_alarm_rate"]) / 2, abs=0.01)
    refused = evaluate(project, "models/classes", "--labels", "states.csv", "--normal", "asleep")
    assert (refused.returncode, refused.stderr) == (2, "error: --normal asleep: the model's classes are idle, work\n")


def test_a_forecast_is_judged_by_the_labels_of_the_steps_that_it_forecast(
    project: Path, predictions: list[Prediction], sensors: list[ContractSensor], add_bundle: Callable[[str, str, tuple[str, ...]], None]
) -> None:
    add_bundle("forecast", "forecast", tuple(f"next_{sensor.name}" for sensor in sensors))
    alone = judged(project, "models/forecast")
    assert alone["counts"]["judged"] > 0
    assert alone["metrics"]["rmse"] > 0
    # An untrained model answers with little, so its error tells large values from small ones.
    hot = {(reading.device, reading.time): reading.values.get("temperature") for reading in read_recording(project / "fleet.parquet")}
    known = {step: float(value) for step, value in hot.items() if value is not None}
    median = float(np.median(list(known.values())))
    labels = (Label(*step, {"ill": float(value > median)}) for step, value in sorted(known.items()))
    write_labels(project / "ill.parquet", labels, ("ill",))
    metrics = judged(project, "models/forecast", "--labels", "ill.parquet")["metrics"]
    assert 0 < metrics["labelled"] <= alone["counts"]["judged"]
    assert metrics["auroc"] > 0.9


def test_the_table_says_what_the_json_says(project: Path, predictions: list[Prediction]) -> None:
    done = evaluate(project, "models/one", "--labels", "labels.parquet", "--report", "report.html")
    assert done.returncode == 0, done.stderr
    assert f"devices: {len(predictions)}\n" in done.stdout
    assert re.search(r"rmse\s+3\b", done.stdout)
    page = (project / "report.html").read_text("utf-8")
    assert page.count('src="data:image/png;base64,') == 2
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert re.search(r"<th>wear: rmse</th><td>3</td>", page)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("models/one",), "no labels: give --labels FILE, or --end-of-life for a model of what is left"),
        (("models/one", "--labels", "labels.parquet", "--end-of-life", "steps"), "labels come from a file or from the recording"),
        (("models/one", "--labels", "labels.parquet", "--which", "first"), "--which first: must be one of all, last"),
        (("models/one", "--labels", "other.csv"), "other.csv: no column wear with labels; those with labels are load"),
        (("models/one", "--labels", "elsewhen.csv"), "no prediction has a label: of "),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_line(
    project: Path, predictions: list[Prediction], arguments: tuple[str, ...], says: str
) -> None:
    (project / "other.csv").write_text("device,time,load\na,1,2\n")
    (project / "elsewhen.csv").write_text(f"device,time,wear\n{predictions[0].device},1,2\n")
    done = evaluate(project, *arguments)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]


def test_a_bundle_that_is_not_there_is_refused_as_a_model(project: Path) -> None:
    assert evaluate(project, "models/none", "--labels", "labels.parquet").returncode == 4


def test_a_task_that_cannot_be_judged_is_refused(project: Path, add_bundle: Callable[[str, str, tuple[str, ...]], None]) -> None:
    add_bundle("ranking", "ranking", ("rank",))
    done = evaluate(project, "models/ranking", "--labels", "labels.parquet")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the model's task is 'ranking'" in done.stderr

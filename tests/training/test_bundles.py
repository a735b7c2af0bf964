"""What training writes besides regression of floats: attention, codes, forecasts, nothing held out; and how a killed one goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.core.policy import WindowPolicy
from pipeline.records import Window
from pipeline.scoring.bundle import Bundle, read_bundle
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.load import load_scorer
from pipeline.training.dataset import LabelledWindows
from pipeline.training.progress import Watch
from pipeline.training.recipe import Architecture, Cell, Fitting, Recipe
from pipeline.training.report import REPORT_FILE
from pipeline.training.train import Destination, train_bundle
from producers.simulator.spec import SENSORS
from tests.support.commands import STARTS_WITHIN_S, eventually, running
from tests.support.windows import make_window
from tests.training.fleet import Fleet

MODES = ("idle", "load", "boost")
CODED = ("temperature", "mode")


def coded_windows(devices: int = 6, of_each: int = 12) -> LabelledWindows:
    """Windows of a temperature and a mode, some unobserved; the label is the last mode's code times ten."""
    random = np.random.default_rng(1)
    windows, labels = [], []
    for number in range(devices * of_each):
        values = np.stack([random.normal(size=9), random.integers(1, len(MODES) + 1, 9).astype(float)], axis=1)
        values[random.random(values.shape) < 0.1] = np.nan
        values[-1, 1] = 1 + number % len(MODES)
        windows.append(make_window(values[number % 8 :], CODED, device=f"pump-{number % devices}"))
        labels.append([10 * values[-1, 1]])
    return LabelledWindows(tuple(windows), np.array(labels, np.float32), ("rate",))


def configured(folder: Path) -> list[str]:
    """Options before the command: a configuration of the fleet."""
    (folder / "sensorline.toml").write_text(f"[sensors]\nnames = {list(SENSORS)}\n[window]\nmax_length = 40\n".replace("'", '"'))
    return ["--config", str(folder / "sensorline.toml")]


def scores(bundle: Bundle, windows: list[Window], policy: WindowPolicy) -> np.ndarray:
    return load_scorer(bundle.folder, SENSORS, policy).score(windows).outputs


@pytest.fixture(scope="module")
def coded_bundle(policy: WindowPolicy, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model with attention of floats and codes; nothing is held out."""
    sensors = (ContractSensor("temperature"), ContractSensor("mode", codes=MODES))
    architecture = Architecture(cell=Cell.GRU, units=(8,), attention=True, embedding=3)
    recipe = Recipe(architecture=architecture, fitting=Fitting(epochs=30, learning_rate=0.03, holdout=0))
    folder = tmp_path_factory.mktemp("models") / "rate"
    return train_bundle(coded_windows(), sensors, policy, recipe, Destination(folder, "rate"), Watch(lambda _: None))


def test_a_sensor_with_codes_is_embedded_also_where_it_is_unobserved(coded_bundle: Bundle, policy: WindowPolicy) -> None:
    contract = coded_bundle.contract
    assert [(sensor.name, sensor.vocabulary, sensor.unobserved) for sensor in contract.sensors] == [
        ("temperature", None, None),
        ("mode", 5, 4),
    ]
    scorer = load_scorer(coded_bundle.folder, CODED, policy, codes={"mode": MODES})
    windows = [make_window([[0.0, code]] * 3, CODED) for code in (1, 2, 3, np.nan)]
    scored = scorer.score(windows)
    assert not scored.errors
    assert scored.outputs[0, 0] < scored.outputs[1, 0] < scored.outputs[2, 0]


def test_attention_is_an_output_per_step(coded_bundle: Bundle) -> None:
    assert [output.name for output in coded_bundle.contract.step_outputs] == ["attention"]


def test_with_nothing_held_out_there_are_no_metrics_of_it(coded_bundle: Bundle) -> None:
    metrics = coded_bundle.contract.metrics
    assert (metrics["held_out"], metrics["held_out_devices"]) == ({}, [])
    assert metrics["best_epoch"] == metrics["epochs"] == 30
    assert "No device was held out" in (coded_bundle.folder / REPORT_FILE).read_text()


def test_the_command_learns_to_forecast_and_keeps_a_threshold(fleet: Fleet, tmp_path: Path) -> None:
    options = ["--recording", str(fleet.recording), "--out", str(tmp_path / "next"), "--no-cache"]
    learning = ["--task", "forecast", "--units", "16", "--epochs", "12", "--quantile", "0.9", "--stride", "2", "--last", "20"]
    done = CliRunner().invoke(app, [*configured(tmp_path), "train", *options, *learning], catch_exceptions=False)
    assert done.exit_code == 0
    contract = read_bundle(tmp_path / "next").contract
    assert [output.name for output in contract.outputs] == [f"next_{sensor}" for sensor in SENSORS]
    assert (contract.task, contract.last) == ("forecast", 20)
    held_out = contract.metrics["held_out"]
    assert held_out["rmse"] < held_out["rmse_of_mean"]
    assert held_out["threshold"] > held_out["rmse"]
    assert f"report in {tmp_path / 'next' / REPORT_FILE}" in done.stderr


def test_a_killed_training_goes_on_to_the_same_bundle(fleet: Fleet, policy: WindowPolicy, tmp_path: Path) -> None:
    def options(name: str) -> list[str]:
        files = ["--recording", str(fleet.recording), "--labels", str(fleet.labels), "--out", str(tmp_path / name), "--name", "wear"]
        return [*configured(tmp_path), "train", *files, "--no-cache", "--units", "8", "--epochs", "4"]

    elsewhere = tmp_path / "process"
    elsewhere.mkdir()
    with running(elsewhere, *options("killed")) as process:
        eventually(lambda: "epoch 2 of" in process.said, STARTS_WITHIN_S, lambda: process.said)
        process.kill()
    assert not (tmp_path / "killed").exists()
    resumed = CliRunner().invoke(app, [*options("killed"), "--resume"], catch_exceptions=False)
    whole = CliRunner().invoke(app, options("whole"), catch_exceptions=False)
    assert "going on with" in resumed.stderr
    assert "epoch 1 of" not in resumed.stderr
    lines = [line for line in whole.stderr.splitlines() if line.startswith(("epoch", "held-out"))]
    assert lines[-1] in resumed.stderr
    windows = fleet.windows(policy)[:50]
    found, wanted = (scores(read_bundle(tmp_path / name), windows, policy) for name in ("killed", "whole"))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} == {"sensorline.toml", "process", "killed", "whole"}, "no checkpoint is left"


def test_resuming_where_nothing_stands_begins(fleet: Fleet, tmp_path: Path) -> None:
    options = ["--recording", str(fleet.recording), "--labels", str(fleet.labels), "--out", str(tmp_path / "model"), "--no-cache"]
    learning = ["--units", "4", "--epochs", "1", "--resume"]
    done = CliRunner().invoke(app, [*configured(tmp_path), "train", *options, *learning], catch_exceptions=False)
    assert "nothing to go on with" in done.stderr
    assert json.loads((tmp_path / "model" / "contract.json").read_bytes())["metrics"]["epochs"] == 1


def test_labels_at_the_cap_can_count_less(fleet: Fleet, policy: WindowPolicy, tmp_path: Path) -> None:
    """Of equal windows half are at the cap: counted fully the model says the mean, counted less it leans to the others."""
    windows = [make_window([[1.0, 0.0]] * 3, ("x", "y"), device=f"pump-{number % 4}") for number in range(80)]
    targets = np.array([[number // 4 % 2 * 10] for number in range(80)], np.float32)
    labelled = LabelledWindows(tuple(windows), targets, ("left",))
    sensors = (ContractSensor("x"), ContractSensor("y"))
    recipe = Recipe(cap=10, architecture=Architecture(units=(4,), dropout=0), fitting=Fitting(epochs=40, learning_rate=0.03, holdout=0))
    said = []
    for weight in (1.0, 0.25):
        destination = Destination(tmp_path / str(weight), "left")
        made = train_bundle(labelled, sensors, policy, replace(recipe, cap_weight=weight), destination, Watch(lambda _: None))
        said.append(float(load_scorer(made.folder, ("x", "y"), policy).score(windows[:1]).outputs[0, 0]))
    assert said == pytest.approx([5, 2], abs=0.5)

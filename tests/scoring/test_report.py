"""`sensorline probe` says what the scorer would find out at its start, and ends as it would."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.report import examine
from tests.support.models import layers, save, sequential, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = (ContractSensor("temperature"), ContractSensor("vibration"))


def findings(model: Path) -> dict[str, str]:
    return {finding.check: finding.says for finding in examine(model, max_length=12)}


def test_a_sound_model_is_proven_and_translated(tmp_path: Path) -> None:
    found = findings(save(sound_model(-1.0), tmp_path))

    assert found["input"] == "2 features a step, any number of steps, padded with -1"
    assert found["outputs"] == "rul"
    assert found["padding"] == "the same score alone, padded and in a batch, with 1 to 12 steps"
    assert found["translation"].startswith("scores as Keras on each window alone; largest difference ")
    assert found["engine"] == "onnx"


def test_a_model_that_is_not_translated_says_why(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(name="all"), layers.Dense(1), shape=(12, 2))

    found = findings(save(model, tmp_path))

    assert found["padding"] == "every window is padded to 12 steps; the same score alone and in a batch"
    assert found["engine"] == "onnx-export, as layer all (Flatten) needs a fixed number of steps"


def test_a_bundle_is_examined_as_it_would_be_loaded(tmp_path: Path) -> None:
    bundle_model(save(sound_model(), tmp_path), tmp_path / "bundle", SENSORS, session_policy(max_length=7))

    found = findings(tmp_path / "bundle")

    assert found["files"] == "model.keras, model.onnx, model.growing.onnx"
    assert found["padding"].endswith("with 1 to 7 steps")
    assert found["engine"] == "onnx"


def test_each_input_and_what_is_said_of_each_step_is_named(tmp_path: Path) -> None:
    mode, readings = keras.Input((None,), dtype="int32", name="mode"), keras.Input((None, 2), name="readings")
    steps = layers.Concatenate()([layers.Masking(-1.0)(readings), layers.Embedding(5, 2, mask_zero=True)(mode)])
    states = layers.LSTM(3, return_sequences=True)(steps)
    weights = layers.Dense(1, activation="sigmoid", name="attention")(states)
    model = keras.Model([mode, readings], [layers.Dense(1, name="rul")(layers.LSTM(2)(states)), weights])

    found = findings(save(model, tmp_path))

    assert found["input mode"] == "codes from 1 to 4 a step, any number of steps, padded with 0"
    assert found["input readings"] == "2 features a step, any number of steps, padded with -1"
    assert (found["outputs"], found["outputs per step"]) == ("rul", "attention")


def test_a_bundle_says_how_recorded_windows_agree_and_whether_windows_can_grow(tmp_path: Path) -> None:
    recorded = [make_window([[number, 1.0]] * number, ("temperature", "vibration")) for number in range(1, 6)]
    file, policy = save(sound_model(), tmp_path), session_policy(max_length=7)
    bundle_model(file, tmp_path / "all", SENSORS, policy, recorded=recorded)
    bundle_model(file, tmp_path / "last", SENSORS, policy, Adoption(last=3))

    of_all, of_last = findings(tmp_path / "all"), findings(tmp_path / "last")

    assert of_all["recorded windows"].startswith("scored as by Keras where the bundle was made; largest difference ")
    assert of_last["recorded windows"] == "none in the bundle; `sensorline bundle --recording FILE` keeps some"
    assert of_all["growing windows"] == "goes on with a window where it stood"
    assert of_last["growing windows"] == "each score goes over the whole window, as the model sees the last 3 steps"
    assert of_last["padding"].endswith("with 1 to 3 steps")


@pytest.mark.parametrize("place", ["nothing.keras", "."])
def test_what_is_no_model_is_a_finding_too(place: str, tmp_path: Path) -> None:
    [finding] = examine(tmp_path / place, max_length=12)

    assert (finding.check, finding.ok) == ("refused", False)


def test_the_command_shows_the_findings_and_fails_for_a_model_that_is_refused(tmp_path: Path) -> None:
    sound = save(sound_model(), tmp_path / "sound")
    unsound = save(sequential(layers.Masking(), layers.Conv1D(4, 3, name="smooth"), layers.LSTM(2)), tmp_path / "unsound")

    passed = CliRunner().invoke(app, ["probe", str(sound), "--max-length", "12"])
    failed = CliRunner().invoke(app, ["probe", str(unsound), "--max-length", "12"])

    assert (passed.exit_code, failed.exit_code) == (0, 4)
    assert "with 1 to 12 steps" in passed.stdout
    assert "smooth (Conv1D) drops the mask" in " ".join(failed.stdout.split())

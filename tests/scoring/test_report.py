"""`sensorline probe` says what the scorer would find out at its start, and ends as it would."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.contract import ContractSensor
from pipeline.scoring.report import examine
from tests.support.models import layers, save, sequential, sound_model
from tests.support.windows import session_policy

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


def test_a_model_that_only_keras_can_run_says_why(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(name="all"), layers.Dense(1), shape=(12, 2))

    found = findings(save(model, tmp_path))

    assert found["padding"] == "every window is padded to 12 steps; the same score alone and in a batch"
    assert found["engine"] == "keras, as layer all (Flatten) needs a fixed number of steps"


def test_a_bundle_is_examined_as_it_would_be_loaded(tmp_path: Path) -> None:
    bundle_model(save(sound_model(), tmp_path), tmp_path / "bundle", SENSORS, session_policy(max_length=7))

    found = findings(tmp_path / "bundle")

    assert found["files"] == "model.keras, model.onnx"
    assert found["padding"].endswith("with 1 to 7 steps")
    assert found["engine"] == "onnx"


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

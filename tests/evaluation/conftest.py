"""A project with a recording, an untrained model, and labels that it misses by three."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.backtest.run import run_on_recording
from pipeline.config import load
from pipeline.recordings.labels import Label, write_labels
from pipeline.recordings.ordering import in_replay_order
from pipeline.records import Prediction
from tests.support.backtests import make_project

MISSED_BY = 3.0


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`labels.parquet` has a label for the last step of each window."""
    return make_project(tmp_path_factory.mktemp("project"), alerts="")


@pytest.fixture(scope="package")
def predictions(project: Path) -> list[Prediction]:
    """What the model says of the recording; its labels are written beside it."""
    found = list(
        run_on_recording(load(project / "sensorline.toml", {}).settings, in_replay_order(project / "fleet.parquet").readings).predictions
    )
    labels = (Label(it.device, it.window.end, {"wear": it.outputs["wear"] + MISSED_BY}) for it in found)
    write_labels(project / "labels.parquet", labels, ("wear",))
    return found

"""Pipelines for the whole-flow tests, and a model for the simulated fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from producers.simulate import record_fleet
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import FLEET, SECTIONS

StartPipeline = Callable[..., Pipeline]


@pytest.fixture(params=["sqlite", "kafka"])
def start_pipeline(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartPipeline]:
    """Makes pipelines on a log that processes can share, from the sections of their configuration."""
    url = "sqlite:///" if request.param == "sqlite" else request.getfixturevalue("kafka_url")
    with ExitStack() as processes:
        yield lambda sections: new_pipeline(tmp_path, url, sections, processes)


@pytest.fixture(scope="session")
def wear_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells the wear of the simulated machines a little, trained by the command."""
    folder = tmp_path_factory.mktemp("wear")
    record_fleet(FLEET, folder / "fleet.parquet", folder / "labels.parquet")
    with ExitStack() as processes:
        trainer = new_pipeline(folder, "sqlite:///", SECTIONS, processes)
        options = ["--units", "8", "--epochs", "60", "--out", "wear"]
        trainer.succeeds("train", "--recording", "fleet.parquet", "--labels", "labels.parquet", *options)
    return folder / "wear"

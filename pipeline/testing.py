"""A pytest plugin for users: their configuration and model on a small recording, compared with what was stored.

Registered under the entry point `sensorline`, so that the fixture `golden` is there where sensorline is installed. Knows
nothing but pytest until the fixture is used. docs/testing.md shows its use.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that stores what comes out now."""
    parser.getgroup("sensorline").addoption("--update-golden", action="store_true", help="Store the predictions that come out now.")


@dataclass(frozen=True)
class Golden:
    """Compares a pipeline's predictions and alerts with stored ones; paths are relative to the test's folder."""

    folder: Path
    update: bool

    def __call__(
        self,
        configuration: str | Path,
        recording: str | Path,
        stored: str | Path,
        *,
        bundle: str | Path | None = None,
        tolerance: float = 1e-5,
    ) -> None:
        """Runs the pipeline of the configuration on a recording, in memory, and fails the test where anything differs.

        `stored`: a folder that `--update-golden` writes. `bundle`: instead of the configured one. Outputs are equal where
        |a - b| <= tolerance x max(1, |a|). Only the configuration's file counts, not the environment.
        """
        from pipeline.backtest.golden import Case, differences, store

        case = Case(self.folder / configuration, self.folder / recording, None if bundle is None else self.folder / bundle)
        place = self.folder / stored
        if self.update:
            store(case, place)
            return
        if not place.is_dir():
            pytest.fail(
                f"{os.path.relpath(place)}: nothing is stored yet; `pytest --update-golden` stores what comes out now", pytrace=False
            )
        found = differences(case, place, tolerance)
        if found:
            pytest.fail("\n".join([*found, "`pytest --update-golden` stores what comes out now, if it is right"]), pytrace=False)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares what a configuration and its model make of a recording with what was stored."""
    return Golden(request.path.parent, request.config.getoption("--update-golden"))

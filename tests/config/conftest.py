"""A configuration file written for a test, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.config import Configuration, load

SENSORS = '[sensors]\nnames = ["temperature", "vibration"]\n'


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Configuration]:
    """Loads a text as `sensorline.toml` of the current folder, after the two lines that every configuration needs."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str, environ: Mapping[str, str] | None = None, before: str = SENSORS) -> Configuration:
        Path("sensorline.toml").write_text(before + text)
        return load(None, environ or {})

    return load_it

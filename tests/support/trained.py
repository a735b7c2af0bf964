"""Models that a benchmark trains and judges by the command line, in a folder that keeps them: what is there is not made again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.commands import command_line, environment

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SENSORLINE_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Workshop:
    """A folder, a configuration, and what is set other than there: `sensors__names="a,b"`."""

    folder: Path
    configuration: Path
    settings: dict[str, str] = field(default_factory=dict)

    def run(self, *command: str) -> bytes:
        """A command of `sensorline` in the folder, timed on standard error; its standard output."""
        begin = time.perf_counter()
        environ = environment(config=str(self.configuration), **self.settings)
        line = command_line("--log-level", "warning", *command)
        done = subprocess.run(line, cwd=self.folder, env=environ, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"sensorline {' '.join(command)}: exit code {done.returncode}\n{done.stderr.decode()}")
        sys.stderr.write(f"{time.perf_counter() - begin:6.1f} s  sensorline {' '.join(command)}\n")
        return done.stdout

    def train(self, name: str, data: Path, *recipe: str) -> Path:
        """The bundle of this name, trained on `recording.parquet` and `labels.parquet` of the data, unless it is there."""
        bundle = self.folder / name
        if not (bundle / "contract.json").is_file():
            self.run("train", "--recording", f"{data}/recording.parquet", "--labels", f"{data}/labels.parquet", "--out", name, *recipe)
        return bundle

    def evaluate(self, name: str, data: Path, *options: str, label: str = "evaluation") -> dict[str, Any]:
        """What `evaluate --json` says of a bundle of the folder on the data, unless that is known."""
        file = self.folder / f"{name}.{label}.json"
        if not file.is_file():
            found = self.run(
                *("evaluate", name, "--recording", f"{data}/recording.parquet", "--labels", f"{data}/labels.parquet", "--json"), *options
            )
            file.write_bytes(found)
        numbers: dict[str, Any] = json.loads(file.read_bytes())
        return numbers

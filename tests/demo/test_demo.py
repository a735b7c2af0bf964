"""What a stranger sees of `sensorline demo`, and that it is true."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import typer
from typer.core import TyperGroup

from pipeline.cli.demo import flow
from pipeline.cli.demo.advice import LIVE, TO_READ, first_commands
from pipeline.cli.demo.place import Place
from pipeline.cli.demo.story import Machine, tell
from pipeline.cli.main import app
from pipeline.config import load
from tests.demo.conftest import DEVICES, Shown, environment, run

NAMES = [f"machine-{number:02}" for number in range(1, DEVICES + 1)]


@pytest.fixture(scope="session")
def machines(shown: Shown) -> list[Machine]:
    """What the topics say at the end."""
    results = flow.results(load(shown.made / "sensorline.toml", {}))
    return tell(results.predictions, results.alerts, flow.real_wear(Place(shown.made)), results.refused)


def test_it_ends_well_and_says_so_to_people_only(shown: Shown) -> None:
    assert shown.finished.returncode == 0, shown.finished.stderr
    assert shown.finished.stdout == ""
    assert "Traceback" not in shown.finished.stderr
    assert [line[:3] for line in shown.finished.stderr.splitlines() if line[1:2] == "/"] == ["1/5", "2/5", "3/5", "4/5", "5/5"]


def test_every_machine_has_its_row(shown: Shown, machines: list[Machine]) -> None:
    rows = {line.split()[0]: line.split() for line in shown.finished.stderr.splitlines() if line.strip().startswith("machine-")}
    assert list(rows) == NAMES == [machine.device for machine in machines]
    assert [int(rows[machine.device][1]) for machine in machines] == [len(machine.scores) for machine in machines]


def test_nothing_is_wider_than_the_terminal_but_what_is_to_be_copied(shown: Shown) -> None:
    commands = {line for line, _ in (*TO_READ, *LIVE)}
    wide = [line for line in shown.finished.stderr.splitlines() if len(line) > 80 and line.strip() not in commands]
    assert [line for line in wide if not line.startswith(("  cd ", "  export "))] == []


def test_alerts_are_raised_on_machines_that_wear_out_and_cleared_after_the_overhaul(machines: list[Machine]) -> None:
    episodes = [episode for machine in machines for episode in machine.episodes]
    assert episodes
    assert all(episode.real is not None and episode.real > 0.5 for episode in episodes), "no machine that is half new is in alarm"
    assert any(episode.cleared is not None for episode in episodes)
    worn = sum(machine.worn for machine in machines)
    assert worn > 0
    assert sum(machine.agrees for machine in machines) >= DEVICES - 1


def test_the_picture_is_a_sound_image_of_a_sensible_size(shown: Shown) -> None:
    pixels = matplotlib.image.imread(shown.made / "machine.png")
    height, width = pixels.shape[:2]
    assert 1000 < width < 2500
    assert 700 < height < 2500
    assert len({tuple(pixel) for pixel in pixels[::7, ::7, :3].reshape(-1, 3).tolist()}) > 5, "there is something in it"


def test_ctrl_c_ends_it_cleanly(shown: Shown) -> None:
    assert shown.interrupted.returncode == 130, shown.interrupted.stderr
    assert "Traceback" not in shown.interrupted.stderr
    assert shown.interrupted.stderr.splitlines()[-1].startswith("stopped")


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = run(tmp_path, "--folder", ".")
    assert done.returncode == 2
    assert "--folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_it_says_to_try_next_works_as_it_is_typed(shown: Shown) -> None:
    lines = [line.strip() for line in shown.finished.stderr.partition("Try next\n")[2].partition("And live")[0].splitlines()]
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands[0] == "cd sensorline-demo"
    assert "unset SENSORLINE_BROKER__URL" in commands
    assert commands[-len(TO_READ) :] == [line for line, _ in TO_READ]
    script = "\n".join(["set -e", *commands])
    typed = subprocess.run(
        ["sh", "-c", script], cwd=shown.folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert typed.returncode == 0, typed.stderr
    rows = [json.loads(line) for line in typed.stdout.splitlines() if line.startswith("{")]
    kinds = Counter("alert" if "rule" in row else "rejected" for row in rows)
    assert kinds["alert"] > 0
    assert "ok: model" in typed.stdout
    assert "error" not in typed.stderr


def test_the_recording_can_be_made_by_the_command_in_the_configuration(shown: Shown, tmp_path: Path) -> None:
    written = [line.removeprefix("#").strip() for line in (shown.made / "sensorline.toml").read_text("utf-8").splitlines()]
    (command,) = [line for line in written if line.startswith("sensorline simulate") and "--out recording.parquet" in line]
    again = [sys.executable, "-m", "pipeline.cli", *shlex.split(command)[1:]]
    subprocess.run(again, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    for name in ("recording.parquet", "labels.parquet"):
        assert (tmp_path / name).read_bytes() == (shown.made / name).read_bytes()


def test_the_model_was_trained_as_the_command_in_the_configuration_says(shown: Shown) -> None:
    contract = json.loads((shown.made / "models" / "wear" / "contract.json").read_bytes())
    (command,) = [line for line in flow.commands(DEVICES).splitlines() if "sensorline train" in line]
    options = dict(zip(*[iter(shlex.split(command)[2:])] * 2, strict=True))
    recipe = contract["metrics"]["recipe"]
    assert (contract["name"], recipe["architecture"]["units"], recipe["fitting"]["epochs"]) == (
        Path(options["--out"]).name,
        [int(options["--units"])],
        int(options["--epochs"]),
    )


@pytest.mark.parametrize("line", [*flow.commands(DEVICES).splitlines(), *[line for line, _ in (*TO_READ, *LIVE)]])
def test_every_command_that_is_shown_is_one(line: str) -> None:
    command: Any = typer.main.get_command(app)
    _, *words = shlex.split(line.partition(" | ")[0])
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    assert command.make_context(command.name, words) is not None


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        (lambda folder: str(folder), True),
        (lambda folder: "/nowhere", False),
    ],
)
def test_the_program_is_put_on_the_path_only_where_it_is_not(
    path: Callable[[Path], str], typed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path(Path(sys.executable).parent))
    lines = first_commands(Path("a folder"), {"PATH": os.environ["PATH"]})
    assert lines[0] == "cd 'a folder'"
    assert any(line.startswith("export PATH=") for line in lines) is not typed

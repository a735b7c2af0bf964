"""`sensorline alerts test`: what a recording would have raised, as a table, as lines and as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.commands import Done

Sensorline = Callable[..., Done]
T0 = 1_767_225_600_000
HOUR = 3_600_000
RULES = """
[sensors]
names = ["temperature"]
[window]
gap = "15s"
max_ahead = "5m"
[groups]
pumps = ["pump-*"]
[[alerts]]
name = "gone"
kind = "silent"
[[alerts]]
name = "clock"
kind = "clock"
count = 3
within = "1m"
devices = "pump-1"
[[alerts]]
name = "pumps-gone"
kind = "silent"
groups = ["pumps"]
at_least = 3
"""


def reading(device: str, seconds: int, ahead_ms: int = 0) -> dict[str, Any]:
    arrival = T0 + 1000 * seconds
    return {"device": device, "time": arrival + ahead_ms, "arrival": arrival, "values": {"temperature": 20.0 + seconds % 7}}


def recording() -> list[dict[str, Any]]:
    """Pumps fall silent after 30 s and are back after 300 s, a fan goes on; one pump has a wrong clock for a while."""
    pumps = [reading(f"pump-{number}", second) for number in range(4) for second in [*range(0, 31, 5), *range(300, 331, 5), 360]]
    wrong = [reading("pump-1", second, HOUR) for second in (331, 332, 333)]
    fan = [reading("fan", second) for second in range(0, 400, 5)]
    return sorted([*pumps, *wrong, *fan], key=lambda it: it["arrival"])


@pytest.fixture
def rules(folder: Path) -> Path:
    """A file with rules beside a recording; not the current configuration."""
    (folder / "fleet.jsonl").write_text("".join(json.dumps(it) + "\n" for it in recording()))
    file = folder / "rules.toml"
    file.write_text(RULES)
    return file


def test_the_lines_tell_what_would_have_fired_and_when_it_would_have_ended(sensorline: Sensorline, rules: Path) -> None:
    done = sensorline("alerts", "test", rules.name, "--recording", "fleet.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    gone = [line for line in found if line["rule"] == "gone"]
    assert [line["device"] for line in gone] == [f"pump-{number}" for number in range(4)]
    assert {line["raised"] for line in gone} == {"2026-01-01T00:00:30.000+00:00"}, "when each was last heard from"
    assert all(line["cleared"] and line["seconds"] > 270 for line in gone)
    (clock,) = [line for line in found if line["rule"] == "clock"]
    assert (clock["device"], clock["raised"], clock["value"]) == ("pump-1", "2026-01-01T00:05:33.000+00:00", 3.0)
    (group,) = [line for line in found if line["rule"] == "pumps-gone"]
    assert group["device"] == "pumps"
    assert len(group["devices"]) == 3
    assert group["cleared"] is not None


def test_the_table_and_the_timeline_show_the_same(sensorline: Sensorline, rules: Path, folder: Path) -> None:
    done = sensorline("alerts", "test", rules.name, "--recording", "fleet.jsonl", "--plot", "alerts.png")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if "01-01" in line]
    assert [row[0] for row in rows].count("pump-1") == 2
    assert ["pumps", "pumps-gone"] in [row[:2] for row in rows]
    with Image.open(folder / "alerts.png") as picture:
        assert picture.width > 1000
        assert len(set(picture.convert("RGB").resize((200, 100)).tobytes())) > 10, "there are bars of several colours"
    assert not (folder / "sensorline.db").exists(), "the configured broker is left alone"


def test_the_same_trial_gives_the_same_lines(sensorline: Sensorline, rules: Path) -> None:
    command = ["alerts", "test", rules.name, "--recording", "fleet.jsonl", "--json"]
    assert sensorline(*command).stdout == sensorline(*command).stdout != ""


def test_a_trial_without_a_rule_or_without_the_model_that_it_needs_is_refused(sensorline: Sensorline, rules: Path) -> None:
    done = sensorline("alerts", "test", "--recording", "fleet.jsonl")
    assert done.returncode == 2
    assert "there are no rules" in done.stderr
    rules.write_text(f'{RULES}[[alerts]]\nname = "wear"\noutput = "rul"\nbelow = 20\n')
    done = sensorline("alerts", "test", rules.name, "--recording", "fleet.jsonl")
    assert done.returncode == 2
    assert "--bundle" in done.stderr


def test_a_recording_that_raises_nothing_says_so(sensorline: Sensorline, rules: Path) -> None:
    rules.write_text(
        RULES.replace("at_least = 3", "at_least = 4")
        .replace('devices = "pump-1"', 'devices = "x"')
        .replace('[[alerts]]\nname = "gone"\nkind = "silent"\n', "")
    )
    (rules.parent / "fleet.jsonl").write_text("".join(json.dumps(reading("fan", second)) + "\n" for second in range(0, 60, 5)))
    done = sensorline("alerts", "test", rules.name, "--recording", "fleet.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no alert" in done.stderr

"""How commands end: exit codes, one line for each error, nothing but data on standard output."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE, ContractSensor
from tests.support.models import make_contract

Sensorline = Callable[..., subprocess.CompletedProcess[str]]

CLOSED_PORT = "kafka://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "settings", "code"),
    [
        (["schema"], {}, 0),
        (["bogus"], {}, 2),
        (["check"], {"window__gap": "10"}, 2),
        (["topics", "list"], {"broker__url": CLOSED_PORT}, 3),
        (["score"], {"model__path": "nowhere"}, 4),
    ],
)
def test_the_process_ends_with_the_code(process: Sensorline, arguments: list[str], settings: dict[str, str], code: int) -> None:
    assert process(*arguments, **settings).returncode == code


def test_a_wrong_option_is_a_usage_error(sensorline: Sensorline) -> None:
    done = sensorline("check", "--bogus")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_each_wrong_setting_is_one_line(sensorline: Sensorline) -> None:
    done = sensorline("check", window__gap="10", topics__partitions="0")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: topics.partitions = 0 (SENSORLINE_TOPICS__PARTITIONS): must be at least 1",
        'error: window.gap = 10 (SENSORLINE_WINDOW__GAP): must be a duration with a unit, such as "500ms", "10s", "5m", "3h" or "7d"',
    ]


def test_an_unknown_broker_is_a_configuration_error(sensorline: Sensorline) -> None:
    done = sensorline("topics", "create", broker__url="mqtt://host")
    assert done.returncode == 2
    assert done.stderr.startswith('error: broker.url = "mqtt://host": must be "kafka://')


@pytest.mark.parametrize("command", [["tail", "windows"], ["window", "--drain"], ["alert", "--drain"], ["replay", "recording.jsonl"]])
def test_a_missing_topic_is_named_with_the_command_that_makes_it(sensorline: Sensorline, folder: Path, command: list[str]) -> None:
    (folder / "recording.jsonl").write_text('{"device":"a","time":1,"values":{"temperature":1.0}}\n')
    done = sensorline(*command)
    assert done.returncode == 2
    assert "sensorline topics create" in done.stderr
    assert done.stderr.count("error: ") == 1


@pytest.mark.parametrize("command", [["topics", "list"], ["window", "--drain"], ["tail", "readings"]])
def test_a_broker_that_is_not_there_is_exit_code_3(sensorline: Sensorline, command: list[str]) -> None:
    done = sensorline(*command, broker__url=CLOSED_PORT)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_the_model_is_looked_at_before_the_broker(sensorline: Sensorline) -> None:
    done = sensorline("score", model__path="nowhere", broker__url=CLOSED_PORT)
    assert done.returncode == 4
    assert done.stderr.startswith("error: there is no model bundle at ")


def test_the_configuration_is_looked_at_before_the_model(sensorline: Sensorline) -> None:
    done = sensorline("score", window__carry="-1", model__path="nowhere", broker__url=CLOSED_PORT)
    assert done.returncode == 2


def test_scoring_without_a_model_says_what_to_write(sensorline: Sensorline) -> None:
    done = sensorline("score")
    assert done.returncode == 2
    assert done.stderr.startswith("error: model.path: is not set; write [model] path = ")


def test_check_shows_everything_and_ends_with_the_code_of_the_first_error(sensorline: Sensorline) -> None:
    done = sensorline("check", model__path="nowhere", broker__url=CLOSED_PORT)
    assert done.returncode == 4
    assert 'window.gap = "15s"  (sensorline.toml:4)' in done.stdout
    assert 'window.idle_timeout = "1m"  (default)' in done.stdout
    assert "(SENSORLINE_BROKER__URL)" in done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines() if line.startswith(("ok", "error"))] == ["ok", "error", "error"]


def test_an_unexpected_error_is_one_line_and_its_traceback_is_for_debugging(sensorline: Sensorline, folder: Path) -> None:
    (folder / "spool").write_text("")
    quiet = sensorline("simulate", "--duration", "1m", "--out", "spool/recording.jsonl")
    assert quiet.returncode != 0
    assert "Traceback" not in quiet.stderr
    assert len(quiet.stderr.splitlines()) == 1
    loud = sensorline("--log-level", "debug", "simulate", "--duration", "1m", "--out", "spool/recording.jsonl")
    assert "Traceback" in loud.stderr


def test_check_looks_for_no_topics_in_memory(sensorline: Sensorline) -> None:
    done = sensorline("check", broker__url="memory://")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("skipped: broker")]


def test_check_names_a_rule_for_an_output_that_the_model_does_not_give(sensorline: Sensorline, folder: Path) -> None:
    settings = load(folder / "sensorline.toml", {}).settings
    sensors = tuple(ContractSensor(name) for name in settings.sensors.names)
    (folder / "any").write_bytes(b"check loads no model")
    write_bundle(folder / "wear", make_contract(settings.window.policy(), sensors=sensors, max_length=256), {MODEL_FILE: folder / "any"})
    rule = {"alerts__0__name": "worn", "alerts__0__above": "1", "model__path": "wear"}
    wrong = sensorline("check", **rule, alerts__0__output="ware")
    assert wrong.returncode == 2
    assert 'alerts.0.output = "ware": the model gives rul' in wrong.stdout
    assert "ok: model" in sensorline("check", **rule, alerts__0__output="rul").stdout


def test_check_looks_at_the_second_model_too(sensorline: Sensorline, folder: Path) -> None:
    settings = load(folder / "sensorline.toml", {}).settings
    sensors = tuple(ContractSensor(name) for name in settings.sensors.names)
    (folder / "any").write_bytes(b"check loads no model")
    write_bundle(folder / "wear", make_contract(settings.window.policy(), sensors=sensors, max_length=256), {MODEL_FILE: folder / "any"})
    done = sensorline("check", model__path="wear", model__shadow="next")
    assert done.returncode == 4
    assert "ok: model" in done.stdout
    assert "error: shadow model" in done.stdout
    assert "there is no model bundle at" in done.stdout


@pytest.mark.parametrize("option", [["--shadow-only"], ["--shadow", "next"]])
def test_a_second_model_is_not_asked_for_and_unwanted_at_once(sensorline: Sensorline, option: list[str]) -> None:
    done = sensorline("score", "--no-shadow", *option, model__path="wear")
    assert done.returncode == 2
    assert "error: --no-shadow: only without --shadow and --shadow-only" in done.stderr


@pytest.mark.parametrize("command", [["window"], ["topics", "create"], ["tail", "alerts"], ["simulate", "--duration", "1s"], ["record"]])
def test_a_log_in_memory_is_refused_where_nobody_else_could_see_it(sensorline: Sensorline, command: list[str]) -> None:
    done = sensorline(*command, broker__url="memory://")
    assert done.returncode == 2
    assert done.stderr.startswith("error: broker.url = memory://: is in the memory of one process")
    assert "sensorline run --replay" in done.stderr
    assert "topics create" not in done.stderr


def test_without_a_configuration_it_is_said_where_one_is_looked_for(sensorline: Sensorline, folder: Path) -> None:
    (folder / "sensorline.toml").unlink()
    done = sensorline("check")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: there is no sensorline.toml in this folder, and --config names no other; write one that begins with [sensors]"
    )


def test_deleting_nothing_says_so(sensorline: Sensorline) -> None:
    done = sensorline("topics", "delete")
    assert done.returncode == 0
    assert "nothing to delete" in done.stderr


@pytest.mark.parametrize("command", [["replay", "fleet"], ["lengths", "fleet"], ["alerts", "test", "--recording", "fleet"]])
def test_a_recording_that_is_not_there_is_missing_whatever_its_extension(sensorline: Sensorline, command: list[str]) -> None:
    done = sensorline(*command, alerts__0__name="gone", alerts__0__kind="silent")
    assert done.returncode == 2
    assert done.stderr == "error: fleet: no such file; give a recording\n"

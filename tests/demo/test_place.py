"""The demo's folder: what it takes over, what it replaces, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.demo.place import REPLACED, prepare
from pipeline.config import load
from pipeline.errors import ConfigurationError, SensorlineError

COMMANDS = "sensorline check\nsensorline run"


def test_a_new_folder_gets_a_configuration_that_is_right(tmp_path: Path) -> None:
    place, kept = prepare(tmp_path / "new" / "demo", COMMANDS)
    assert kept is None
    settings = load(place.configuration, {}).settings
    assert settings.model.path == place.bundle
    assert [rule.name for rule in settings.alerts] == ["worn"]
    assert "#     sensorline check\n#     sensorline run\n" in place.configuration.read_text("utf-8")


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert prepare(tmp_path, COMMANDS)[0].configuration.is_file()


def test_a_second_run_replaces_what_the_first_made_and_leaves_the_rest(tmp_path: Path) -> None:
    prepare(tmp_path, COMMANDS)
    for name in (*REPLACED, "mine.txt"):
        (tmp_path / name).write_text("old")
    assert prepare(tmp_path, COMMANDS)[1] is None
    assert [name for name in REPLACED if (tmp_path / name).exists()] == []
    assert (tmp_path / "mine.txt").read_text() == "old"


def test_an_edited_configuration_is_kept_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        place, _ = prepare(tmp_path, COMMANDS)
        place.configuration.write_text(f"edited {number}")
    _, kept = prepare(tmp_path, COMMANDS)
    assert kept == tmp_path / "sensorline.toml.2"
    assert [(tmp_path / f"sensorline.toml.{number}").read_text() for number in (1, 2)] == ["edited 1", "edited 2"]


def test_a_foreign_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sensorline.toml").write_text("mine")
    for wrong in (tmp_path, tmp_path / "sensorline.toml"):
        with pytest.raises(ConfigurationError, match="--folder"):
            prepare(wrong, COMMANDS)
    assert (tmp_path / "sensorline.toml").read_text() == "mine"


def test_a_place_where_no_folder_can_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SensorlineError, match="file/demo: cannot be made"):
        prepare(tmp_path / "file" / "demo", COMMANDS)

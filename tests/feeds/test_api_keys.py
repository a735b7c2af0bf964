"""Keys from a file that is read again when it changes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError
from producers.feeds.api_keys import ApiKeys

OLD, NEW = "old-key-0123456789", "new-key-0123456789"


def test_only_the_keys_in_the_file_are_admitted(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# of the gateway\n{OLD}\n\n")
    keys = ApiKeys(file)
    assert keys.admit(OLD)
    assert not any(keys.admit(key) for key in ("", NEW, "# of the gateway", OLD + "x", "\ud800"))


def test_a_change_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(OLD)
    keys = ApiKeys(file)
    file.write_text(NEW + "\n")
    assert keys.admit(NEW)
    assert not keys.admit(OLD)


@pytest.mark.parametrize("text", ["short", "two words 0123456789", "", None])
def test_a_file_that_is_being_written_leaves_the_keys_as_they_were(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text(OLD)
    keys = ApiKeys(file)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with caplog.at_level(logging.ERROR):
        assert keys.admit(OLD)
    assert "the keys read before still count" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read"), ("", "has no keys"), (f"{OLD}\nshort\n", "line 2: a key is one word"), ("gehäuse-0123456789", "ASCII")],
)
def test_it_does_not_begin_with_a_file_that_is_wrong(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        ApiKeys(file)

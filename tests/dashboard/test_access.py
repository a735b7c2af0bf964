"""Who may see the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.dashboard.access import TOKEN_VARIABLE, Access, access_for, is_loopback
from pipeline.errors import ConfigurationError

TOKEN = "a-token-of-24-characters"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert not access_for(host, None, {}).wants_token


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "machine.example"])
def test_another_address_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--host {host}.*a token is needed"):
        access_for(host, None, {})
    assert access_for(host, None, {TOKEN_VARIABLE: TOKEN}).wants_token


def test_a_token_can_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    access = access_for("0.0.0.0", file, {})
    assert access.knows(TOKEN)
    assert not access.knows(TOKEN[:-1])
    assert not access.knows(None)
    assert not access.knows("")


def test_a_browser_keeps_a_pass_that_is_not_the_token() -> None:
    access, other = Access(TOKEN), Access(f"{TOKEN}x")
    assert access.knows_pass(access.visitor_pass)
    assert not access.knows_pass(other.visitor_pass)
    assert not access.knows_pass(TOKEN)
    assert not access.knows_pass("")
    assert TOKEN not in access.visitor_pass


def test_where_no_token_is_wanted_none_is_known() -> None:
    access = Access(None)
    assert not access.knows("")
    assert not access.knows_pass(access.visitor_pass)


@pytest.mark.parametrize("text", ["", "short"])
def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="at least 16"):
        access_for("127.0.0.1", file, {})


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        access_for("127.0.0.1", tmp_path / "nowhere", {})


@pytest.mark.parametrize("host", ["localhost", "localhost:8050", "127.0.0.1:8050", "[::1]:8050", "[::1]"])
def test_without_a_token_the_page_answers_to_a_name_of_this_machine(host: str) -> None:
    assert Access(None).admits_host(host)


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:8050", "127.0.0.1.example", "", None])
def test_without_a_token_it_answers_to_no_other_name(host: str | None) -> None:
    assert not Access(None).admits_host(host)
    assert Access(TOKEN).admits_host(host)

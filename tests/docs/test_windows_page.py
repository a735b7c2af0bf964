"""`docs/windows.md`: its examples are played, its snippets loaded, and what it calls refused is refused."""

from __future__ import annotations

import dataclasses
import random
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import Configuration, load
from pipeline.config.window import WindowSettings
from pipeline.errors import ConfigurationError
from tests.support.transcripts import Transcript, expected, parse_transcripts, play

PAGE = (Path(__file__).parents[2] / "docs" / "windows.md").read_text("utf-8")
BLOCK = re.compile(r"^```(toml|yaml transcript)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(\S.*)$", re.MULTILINE)
KEYS = {field.alias or name for name, field in WindowSettings.model_fields.items()}


def snippets() -> list[str]:
    return [text for kind, text in BLOCK.findall(PAGE) if kind == "toml"]


def examples() -> Iterator[Transcript]:
    """Each example with the window of the snippet above it."""
    window = {}
    for kind, text in BLOCK.findall(PAGE):
        if kind == "toml":
            window = tomllib.loads(text)["window"]
        else:
            yield from parse_transcripts(text, window)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def loaded(snippet: str, folder: Path) -> Configuration:
    file = folder / "sensorline.toml"
    file.write_text(f'{snippet}\n[sensors]\nnames = ["a", "b"]\n', "utf-8")
    return load(file, {})


EXAMPLES = list(examples())
REFUSED = [pair for row in rows("What cannot be combined") for pair in zip(codes(row[0]), codes(row[1]), strict=True)]
SYMPTOMS = rows("From symptom to key")


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_an_example_says_what_the_windower_does(example: Transcript) -> None:
    assert play(example) == expected(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_the_size_of_polls_changes_nothing(example: Transcript) -> None:
    windows, rejected = expected(example)
    in_one_row = [[w for event in windows for w in event]], [[r for event in rejected for r in event]]
    assert play(example, chunks=random.Random(1)) == in_one_row


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_an_example_with_an_expectation_left_out_is_found_wrong(example: Transcript) -> None:
    silent = [dataclasses.replace(event, windows=(), rejected=()) for event in example.events]
    assert play(dataclasses.replace(example, events=tuple(silent))) != expected(dataclasses.replace(example, events=tuple(silent)))


@pytest.mark.parametrize("snippet", snippets())
def test_a_snippet_is_a_valid_configuration(snippet: str, tmp_path: Path) -> None:
    written = tomllib.loads(snippet)["window"]
    in_effect = {setting.key for setting in loaded(snippet, tmp_path).effective()}
    assert written.keys() <= {key.removeprefix("window.") for key in in_effect}


@pytest.mark.parametrize(("keys", "blamed"), REFUSED)
def test_a_combination_that_the_page_calls_refused_is_refused_for_that_key(keys: str, blamed: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(f"window = {{ {keys} }}", tmp_path)
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [f"window.{blamed}"]


def test_every_fenced_block_is_tested() -> None:
    assert [kind for kind, _ in BLOCK.findall(PAGE)] == FENCE.findall(PAGE)
    assert len(EXAMPLES) >= 20
    assert len(REFUSED) >= 10


def test_every_key_of_the_section_is_explained() -> None:
    mentioned = set(re.findall(r"[a-z_]+", " ".join(codes(re.sub(BLOCK, "", PAGE)))))
    assert mentioned >= KEYS


def test_a_symptom_leads_to_keys_that_exist() -> None:
    assert len(SYMPTOMS) >= 10
    for _symptom, keys, _how in SYMPTOMS:
        assert codes(keys), keys
        assert set(codes(keys)) <= KEYS

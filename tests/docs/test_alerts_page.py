"""`docs/alerts.md`: its examples are played, its snippets loaded, and its way to verify a signature is tried."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import SystemClock
from pipeline.config import load
from pipeline.config.alerts import COMMON, KEYS, AlertSettings
from pipeline.config.destinations import DestinationSettings
from pipeline.destinations.protocol import Parcel
from pipeline.destinations.webhook import Webhook
from pipeline.records import Alert, AlertState
from pipeline.wire.alerts import encode_alert
from tests.support.alert_examples import Example, parse_examples, play_example
from tests.support.receiver import Receiver

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")
BLOCK = re.compile(r"^```(toml|yaml example|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(\S.*)$", re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGE) if found == kind]


def examples() -> Iterator[Example]:
    """Each example with the configuration of the snippet above it."""
    configuration: dict[str, Any] = {}
    for kind, text in BLOCK.findall(PAGE):
        if kind == "toml":
            configuration = tomllib.loads(text)
        elif kind == "yaml example":
            yield from parse_examples(text, configuration)


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_an_example_says_what_the_stages_do(example: Example) -> None:
    assert play_example(example) == example.expected()


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_an_example_with_its_alerts_left_out_is_found_wrong(example: Example) -> None:
    silent = dataclasses.replace(example, events=tuple({**event, "alerts": []} for event in example.events))
    assert play_example(silent) != silent.expected()


@pytest.mark.parametrize("snippet", blocks("toml"))
def test_a_snippet_is_a_valid_configuration(snippet: str, tmp_path: Path) -> None:
    file = tmp_path / "sensorline.toml"
    file.write_text(f'{snippet}\n[sensors]\nnames = ["a", "b"]\n', "utf-8")
    settings = load(file, {}).settings
    assert settings.alerts or settings.destinations


def test_each_kind_has_an_example() -> None:
    assert {rule.kind for example in EXAMPLES for rule in example.settings.alerts} == KEYS.keys()


def test_every_fenced_block_is_tested() -> None:
    assert [kind for kind, _ in BLOCK.findall(PAGE)] == FENCE.findall(PAGE)


@pytest.mark.parametrize("model", [AlertSettings, DestinationSettings])
def test_every_key_is_explained(model: type[AlertSettings | DestinationSettings]) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert set(re.findall(r"[a-z_]+", PAGE)) >= keys | COMMON


def test_the_ten_lines_tell_a_genuine_request_from_a_forged_and_an_old_one() -> None:
    (source,) = blocks("python")
    assert len(source.strip().splitlines()) <= 10
    page: dict[str, Callable[..., bool]] = {}
    exec(source, page)
    is_genuine = page["is_genuine"]
    alert = Alert("e1", "pump", "wear", AlertState.RAISED, 0, 0, 1.0, ())
    receiver = Receiver().open()
    try:
        Webhook(receiver.url, "s3cret", 5, SystemClock()).deliver(Parcel(alert, encode_alert(alert)))
    finally:
        receiver.close()
    (request,) = receiver.taken
    headers = {name.title(): value for name, value in request.headers.items()}
    assert is_genuine(headers, request.body, b"s3cret")
    assert not is_genuine(headers, request.body, b"other")
    assert not is_genuine(headers, request.body + b" ", b"s3cret")
    assert not is_genuine(headers, request.body, b"s3cret", oldest_s=-1)
    assert not is_genuine({**headers, "Sensorline-Timestamp": "1"}, request.body, b"s3cret")

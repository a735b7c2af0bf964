"""The reference pages have every setting, command, record and exit code, each with its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from docs.reference_commands import commands, exit_codes
from docs.reference_settings import configuration
from docs.reference_topics import topics
from pipeline import errors
from pipeline.config import Settings
from pipeline.wire.schema import SCHEMAS
from tests.support.command_tree import all_commands

Schema = Mapping[str, Any]


def setting_descriptions() -> dict[str, str]:
    """Every key of the configuration with its description, from the JSON Schema that pydantic makes of the settings."""
    schema = Settings.model_json_schema()
    return dict(keys_of(schema, schema["$defs"], ""))


def keys_of(model: Schema, definitions: Schema, path: str) -> Iterator[tuple[str, str]]:
    for key, schema in model["properties"].items():
        options = [schema, *schema.get("anyOf", []), *schema.get("allOf", []), schema.get("items", {})]
        named = [definitions[option["$ref"].rpartition("/")[2]] for option in options if "$ref" in option]
        section = next((definition for definition in named if "properties" in definition), None)
        if section is None:
            yield f"{path}{key}", schema.get("description", "")
        else:
            yield from keys_of(section, definitions, f"{path}{key}.")


SETTINGS = setting_descriptions()
SETTINGS_PAGE, COMMANDS_PAGE, TOPICS_PAGE = configuration(), commands(), topics()
COMMANDS = all_commands()
FIELDS = [
    (topic, name, field)
    for topic, make in SCHEMAS.items()
    for name, record in make()["$defs"].items()
    for field in record.get("properties", {})
]


def entry(key: str) -> str:
    """What the page says of a key."""
    (found,) = re.findall(rf"^```{{confval}} {re.escape(key)}\n(.*?)\n```$", SETTINGS_PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def section_of(words: tuple[str, ...]) -> str:
    """What the page says of a command."""
    heading = f"### `sensorline {' '.join(words)}`\n"
    (_, text) = COMMANDS_PAGE.split(heading)
    return re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("key", SETTINGS)
def test_each_setting_is_described_in_a_sentence(key: str) -> None:
    assert re.fullmatch(r"[A-Z`].*\.", SETTINGS[key]), f"{key} has no description"


def test_the_page_has_each_setting_once() -> None:
    assert len(SETTINGS) > 100
    assert sorted(re.findall(r"^```{confval} (.*)$", SETTINGS_PAGE, re.MULTILINE)) == sorted(SETTINGS)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("window.gap", 'Only for kind `session`.\\\nduration; default `"10s"`'),
        ("window.max_duration", 'duration or `"none"`; default `"none"`'),
        ("window.size", "Only for kind `tumbling` or `hopping` or `count`."),
        ("window.overflow", '`"split"` or `"truncate"`; default `"split"`'),
        ("topics.partitions", "whole number, 1 to 10000; default `4`"),
        ("broker.kafka.session_timeout_ms", "whole number, at least 1000; default `10000`"),
        ("sensors.names", "list of texts; required"),
        ("model.path", "path; not set"),
        ("alerts.for", '`"N of M"`; default `"1 of 1"`'),
        ("mqtt.password", "text, never shown; not set"),
    ],
)
def test_a_setting_has_its_type_its_default_and_its_kinds(key: str, said: str) -> None:
    assert entry(key).endswith(said) or said in entry(key)


def test_sections_say_whether_they_are_several_and_whether_they_must_be_written() -> None:
    assert "## `[[alerts]]`\n\nWhen a device, or a group of devices, is in alarm. One table for each.\n" in SETTINGS_PAGE
    assert "## `[mqtt]`\n\nAn MQTT broker whose messages become readings. Only where it is written.\n" in SETTINGS_PAGE


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_page_has_each_command_with_each_of_its_options(words: tuple[str, ...]) -> None:
    text = section_of(words)
    assert (COMMANDS[words].help or "").split()[0] in text
    declared = " ".join(re.findall(r"^```{option} (.*)$", text, re.MULTILINE))
    options = [option for parameter in COMMANDS[words].params if parameter.param_type_name == "option" for option in parameter.opts]
    assert [option for option in options if option not in declared] == []


def test_a_command_is_shown_with_its_arguments_and_an_option_with_its_default() -> None:
    text = section_of(("replay",))
    assert "    sensorline replay [OPTIONS] FILE\n" in text
    assert re.search(r"^```{option} --speed <str>\n.*\(default: 1\)$", text, re.MULTILINE)
    assert "```{option} --close, --no-close\n" in text


def test_no_sign_of_a_help_text_is_taken_for_markup() -> None:
    assert "\\[model\\] reload" in section_of(("score",))
    assert "`--out`" in section_of(("simulate",))


@pytest.mark.parametrize(("topic", "record", "field"), FIELDS)
def test_each_field_of_each_record_has_a_meaning(topic: str, record: str, field: str) -> None:
    text = TOPICS_PAGE.split(f"### {record}\n")[1].split("\n#")[0]
    (meaning,) = re.findall(rf"^\| `{field}` \| .+ \| (.*) \|$", text, re.MULTILINE)
    assert meaning


def test_each_error_has_its_exit_code_on_the_page() -> None:
    codes = {error.exit_code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.SensorlineError)}
    assert codes >= {1, 2, 3, 4}
    assert {int(code) for code in re.findall(r"^\| ([0-9]+) \| .+ \|$", exit_codes(), re.MULTILINE)} == codes | {0, 130}

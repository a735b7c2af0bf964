"""The reference of the configuration, made from the settings: values in, Markdown out. It knows no Sphinx.

A key is written as the directive `confval`, so that it has a link and is found by the search.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pipeline.config import Settings
from pipeline.config import fields as kinds
from pipeline.config.alerts import KEYS, AlertSettings, NOfM, Patterns
from pipeline.config.window import OWN_KEYS, WindowSettings
from pipeline.records import RejectReason

# What one writes for a setting of this type. A type that is not here stops the build: it needs a name.
NAMES: Mapping[Any, str] = {
    str: "text",
    SecretStr: "text, never shown",
    bool: "true or false",
    kinds.Bool: "true or false",
    kinds.Name: "name",
    kinds.FilePath: "path",
    kinds.Int: "whole number",
    kinds.IntOrAuto: 'whole number or `"auto"`',
    kinds.Number: "number",
    kinds.PositiveOrNone: 'positive number or `"none"`',
    kinds.Duration: "duration",
    kinds.OptionalDuration: 'duration or `"none"`',
    kinds.Extent: "duration or number of steps",
    NOfM: '`"N of M"`',
    Patterns: "text or list of texts",
    tuple[str, ...]: "list of texts",
    tuple[RejectReason, ...]: "list of texts",
    tuple[kinds.Number, kinds.Number]: "list of two numbers",
    dict[str, str]: "table of texts",
    dict[str, tuple[str, ...]]: "table of lists of texts",
}
KEYS_BY_KIND: Mapping[type[kinds.Section], Mapping[Any, frozenset[str]]] = {WindowSettings: OWN_KEYS, AlertSettings: KEYS}


def configuration() -> str:
    """Every section of the configuration file, and every key with its type, its default and what it means."""
    return "\n".join(_sections(Settings, ""))


def _sections(model: type[kinds.Section], path: str) -> Iterator[str]:
    """The sections within a model, each followed by those within it; a table without known keys is its own key."""
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        key, hint = path + (field.alias or name), hints[name]
        section = _section_in(hint)
        if section is not None:
            several, optional = get_origin(hint) is tuple, NoneType in get_args(hint)
            remark = " One table for each." if several else " Only where it is written." if optional else ""
            yield f"## `[[{key}]]`\n" if several else f"## `[{key}]`\n"
            yield f"{section.__doc__}{remark}\n"
            yield from _settings(section, f"{key}.")
            yield from _sections(section, f"{key}.")
        elif not path:
            yield f"## `[{key}]`\n"
            yield _setting(model, key, field, hint)


def _settings(section: type[kinds.Section], path: str) -> Iterator[str]:
    hints = get_type_hints(section, include_extras=True)
    for name, field in section.model_fields.items():
        if _section_in(hints[name]) is None:
            yield _setting(section, path + (field.alias or name), field, hints[name])


def _setting(section: type[kinds.Section], path: str, field: FieldInfo, hint: Any) -> str:
    key = path.rpartition(".")[2]
    default = "required" if field.is_required() else _default(_unwritten(section)[key])
    return f"```{{confval}} {path}\n{field.description}{_only_for(section, key)}\\\n{_type(hint)}{_bounds(field)}; {default}\n```\n"


def _default(value: object) -> str:
    return "not set" if value is None else f"default `{json.dumps(value, ensure_ascii=False)}`"


def _type(hint: Any) -> str:
    if hint in NAMES:
        return NAMES[hint]
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return " or ".join(f'`"{value}"`' for value in hint)
    (named,) = (kind for kind in get_args(hint) if kind is not NoneType)
    return _type(named)


def _bounds(field: FieldInfo) -> str:
    least = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    most = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    if most is not None:
        return f", {least} to {most}"
    return "" if least is None else f", at least {least}"


def _only_for(section: type[kinds.Section], key: str) -> str:
    by_kind = KEYS_BY_KIND.get(section, {})
    having = [f"`{kind}`" for kind, keys in by_kind.items() if key in keys]
    return f" Only for kind {' or '.join(having)}." if 0 < len(having) < len(by_kind) else ""


def _unwritten(section: type[kinds.Section]) -> dict[str, Any]:
    """The values of a section in which nothing is written, as they would be written."""
    incomplete = any(field.is_required() for field in section.model_fields.values())
    return (section.model_construct() if incomplete else section()).model_dump(mode="json", by_alias=True)


def _section_in(hint: Any) -> type[kinds.Section] | None:
    return next((kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and issubclass(kind, kinds.Section)), None)

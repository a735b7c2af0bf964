"""Environment variables over the file: `SENSORLINE_WINDOW__GAP` is `window.gap`, `SENSORLINE_ALERTS__0__BELOW` is the
first rule's `below`. Lists are JSON or separated by commas; whole tables are JSON.

Text becomes a value by the type of its setting, since validation is strict about types.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from pipeline.config.places import KeyPath
from pipeline.config.settings import Settings
from pipeline.config.sources import Given, leaves
from pipeline.errors import ConfigurationError

PREFIX = "SENSORLINE_"
# Variables with the prefix that are not settings: which file to read, the dashboard's token, and those of the tests.
NOT_SETTINGS = frozenset(
    {
        *("SENSORLINE_CONFIG", "SENSORLINE_DATA", "SENSORLINE_DASHBOARD_TOKEN", "SENSORLINE_TEST_KAFKA"),
        *("SENSORLINE_SOAK", "SENSORLINE_SOAK_MINUTES", "SENSORLINE_SOAK_SEED"),
    }
)


def override(given: Given, environ: Mapping[str, str]) -> None:
    """Puts the values of the environment variables over what is given."""
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
            value = _from_text(_type_at(path), environ[variable])
            try:
                _put(given.tree, path, value)
            except IndexError:
                raise ConfigurationError(f"{variable}: the list has no such element; elements are numbered from 0") from None
            for covered in [key for key in given.origins if key[: len(path)] == path]:
                del given.origins[covered]
            given.origins |= {(*path[:-1], *key): variable for key in leaves({path[-1]: value})}


def _put(node: dict[str, Any] | list[Any], path: KeyPath, value: object) -> None:
    key: Any = path[0]
    if isinstance(node, list):
        if not key.isdigit() or int(key) > len(node):
            raise IndexError(key)
        key = int(key)
        if key == len(node):
            node.append({})
    if len(path) == 1:
        node[key] = value
        return
    child = node[key] if isinstance(node, list) else node.get(key)
    if not isinstance(child, (dict, list)):
        child = node[key] = [] if path[1].isdigit() else {}
    _put(child, path[1:], value)


def _type_at(path: KeyPath) -> Any:
    """The type of the setting at `path`; `str` where there is none: validation says that the key is unknown."""
    kind: Any = Settings
    for part in path:
        kind = _type_of_part(kind, part)
    return kind


def _type_of_part(kind: Any, part: str) -> Any:
    model = next((option for option in (kind, *get_args(kind)) if _is_section(option)), None)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if model is None or (get_origin(kind) is tuple and part.isdigit()):
        return model or str
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return fields.get(part, str)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _from_text(kind: Any, text: str) -> object:
    kinds = (kind, *(getattr(option, "__origin__", option) for option in get_args(kind)))  # `Annotated[float, ...] | None`
    if get_origin(kind) is tuple and kinds[-1] is Ellipsis and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",")]
    if get_origin(kind) in (tuple, dict) or any(_is_section(option) for option in kinds):
        return _attempt(json.loads, text)
    if bool in kinds:
        return {"true": True, "false": False}.get(text.lower(), text)
    if float in kinds:
        return _attempt(float, text)
    if int in kinds:
        return _attempt(int, text)
    return text


def _attempt(convert: Callable[[str], object], text: str) -> object:
    try:
        return convert(text)
    except ValueError:
        return text

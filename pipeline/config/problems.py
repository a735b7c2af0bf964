"""From pydantic's findings to lines for people: key, value, where it was written, what is allowed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.places import KeyPath
from pipeline.config.settings import Settings
from pipeline.config.sources import Given

SECRET_KEYS = frozenset({"password", "sasl_password", "ssl_password"})

# What is allowed, by pydantic's type of error; `{...}` are fields of the error's context.
ALLOWED: Mapping[str, str] = {
    "key": "{allowed}",
    "value": "{allowed}",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "path_type": "must be the path of a file",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}
WHAT_TO_WRITE: Mapping[KeyPath, str] = {
    ("mqtt", "topics"): 'write [mqtt] topics = ["plant/{device}/{sensor}"], what to subscribe to',
    ("ingest", "topic"): 'write [ingest] topic = "factory.raw", the topic whose records are readings',
    ("sensors", "names"): 'write [sensors] names = ["temperature", "vibration"], the sensors in the order of the features',
}


def describe(error: ValidationError, given: Given, defaults: Mapping[str, Any]) -> list[str]:
    """One line for each finding, in the order of the sections; `defaults` are the values of keys that nobody wrote."""
    return [_line(details, given, defaults) for details in error.errors(include_url=False)]


def show(path: KeyPath, value: object) -> str:
    """A value as it would be written in the file; secrets are not shown."""
    if value is None:
        return "none"
    if path[-1] in SECRET_KEYS or (path[0] == "destinations" and path[-1] in {"url", "secret"}):
        return '"***"'
    return json.dumps(value, ensure_ascii=False, default=str)


def _line(details: ErrorDetails, given: Given, defaults: Mapping[str, Any]) -> str:
    context = details.get("ctx", {})
    blamed = tuple(context["key"].split(".")) if "key" in context else ()
    path = (*(str(part) for part in details["loc"]), *blamed)
    key = ".".join(path)
    if details["type"] == "missing":
        return f"{key}: is missing; {WHAT_TO_WRITE.get(path, 'it has no default')}" + _in_place(given.place(path[:-1]))
    if details["type"] == "extra_forbidden":
        return f"{key} ({given.place(path)}): {_unknown(path)}"
    allowed = ALLOWED.get(details["type"], details["msg"]).format(**context)
    return f"{key} = {show(path, _value(path, given, defaults))} ({given.place(path) or 'default'}): {allowed}"


def _in_place(place: str | None) -> str:
    return f" ({place})" if place else ""


def _value(path: KeyPath, given: Given, defaults: Mapping[str, Any]) -> object:
    try:
        return given.value(path)
    except KeyError:
        node: Any = defaults
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        return node


def _unknown(path: KeyPath) -> str:
    known = _known_keys(path[:-1])
    what = "key" if len(path) > 1 else "section"
    close = difflib.get_close_matches(path[-1], known, n=1)
    if close:
        return f'there is no such {what}; did you mean "{close[0]}"?'
    return f"there is no such {what}; there are {', '.join(known)}"


def _known_keys(section: KeyPath) -> list[str]:
    model: type[BaseModel] = Settings
    for part in section:
        if not part.isdigit():
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            model = next(kind for kind in _kinds(fields[part]) if isinstance(kind, type) and issubclass(kind, BaseModel))
    return [field.alias or name for name, field in model.model_fields.items()]


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return (annotation, *getattr(annotation, "__args__", ()))

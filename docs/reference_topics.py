"""The reference of what is on the topics, made from their JSON Schemas: values in, Markdown out. It knows no Sphinx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.wire.schema import SCHEMAS

Schema = Mapping[str, Any]


def topics() -> str:
    """The records of each topic, field by field; a part that several records have is explained where it comes first."""
    lines: list[str] = []
    explained: set[str] = set()
    for topic, make in SCHEMAS.items():
        schema = make()
        lines += [f"## {topic}\n", *([f"{schema['description']}.\n"] if "description" in schema else [])]
        for name, definition in schema["$defs"].items():
            if name not in explained:
                explained.add(name)
                lines += [f"### {name}\n", f"{definition['description']}\n", *_definition(definition)]
    return "\n".join(lines)


def _definition(definition: Schema) -> Iterator[str]:
    if "enum" in definition:
        yield f"One of {', '.join(f'`{value}`' for value in definition['enum'])}.\n"
        return
    yield "| field | type | meaning |\n|---|---|---|"
    for field, schema in definition["properties"].items():
        optional = "" if field in definition["required"] else ", may be left out"
        yield f"| `{field}` | {_type(schema)}{optional} | {_meaning(schema)} |"
    yield ""


def _type(schema: Schema) -> str:
    """The type of a value in the words of JSON Schema; `bytes` for what is described and has no type in JSON."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    match schema.get("type"):
        case "array":
            return f"array of {_inner(schema['items'])}"
        case "object":
            return f"object of {_inner(schema['additionalProperties'])}"
        case None:
            return "bytes"
        case known:
            return str(known)


def _inner(schema: Schema) -> str:
    return f"({_type(schema)})" if "anyOf" in schema else _type(schema)


def _meaning(schema: Schema) -> str:
    inner = schema.get("items") or schema.get("additionalProperties") or {}
    return str(schema.get("description") or (_meaning(inner) if inner else "")).replace("|", "\\|")

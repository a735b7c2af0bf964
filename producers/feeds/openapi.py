"""What `sensorline http` says of itself: the shapes of bodies and answers, and a page of them. Knows no web framework."""

from __future__ import annotations

import json
from html import escape
from typing import Any

DESCRIPTION = """Readings of sensors, one by one or many at once.

A reading is taken when the answer says so: only then the log has it. Sent twice it changes nothing, so that after any other
answer, or none, it can be sent again. What only the clock can tell (`future`, `past`, `late`) is told on the rejected topic.
"""

_VALUE = {"type": ["number", "string", "null"]}
_TIME = {"description": "Milliseconds since the epoch, or RFC 3339 with a zone.", "type": ["integer", "string"]}
_READING: dict[str, Any] = {
    "title": "Reading",
    "type": "object",
    "required": ["device", "time", "values"],
    "properties": {"device": {"type": "string"}, "time": _TIME, "values": {"type": "object", "additionalProperties": _VALUE}},
    "examples": [{"device": "pump-7", "time": 1767225600123, "values": {"temperature": 71.3, "vibration": 0.02}}],
}
_BATCH: dict[str, Any] = {
    "title": "Batch of one device",
    "type": "object",
    "required": ["device", "times", "values"],
    "properties": {
        "device": {"type": "string"},
        "times": {"type": "array", "items": _TIME},
        "values": {"type": "object", "additionalProperties": {"type": "array", "items": _VALUE}},
    },
    "examples": [{"device": "pump-7", "times": [1767225600123, 1767225601123], "values": {"temperature": [71.3, 71.4]}}],
}
_ITEM = {"anyOf": [_READING, _BATCH]}
_ANSWER = {
    "title": "Answer",
    "type": "object",
    "properties": {
        "accepted": {"type": "integer", "description": "Readings that the log has."},
        "refused": {"type": "integer", "description": "Readings, or whole batches, that were refused."},
        "reasons": {"type": "object", "description": "How many were refused, by reason.", "additionalProperties": {"type": "integer"}},
        "errors": {
            "type": "array",
            "description": "Why, for the first 1,000 of them.",
            "items": {
                "type": "object",
                "properties": {
                    "item": {"type": "integer", "description": "Place in the list, or line, from 0."},
                    "index": {"type": "integer", "description": "Place in a batch, from 0."},
                    "reason": {"type": "string", "enum": ["json", "schema", "key", "not_finite", "empty", "too_large"]},
                    "error": {"type": "string"},
                },
            },
        },
    },
}
_TOLD = {"application/json": {"schema": _ANSWER}}

POST_READINGS: dict[str, Any] = {
    "summary": "Take readings",
    "status_code": 202,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [_READING, _BATCH, {"type": "array", "items": _ITEM}]}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "A reading or a batch a line."}},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],
    },
    "responses": {
        202: {"description": "The log has all readings.", "content": _TOLD},
        207: {"description": "The log has the good readings; the others were refused.", "content": _TOLD},
        401: {"description": "No valid API key."},
        408: {"description": "The body did not come in time."},
        413: {"description": "Too large; send less at once."},
        415: {"description": "The body is compressed; send it as it is."},
        422: {"description": "All readings were refused.", "content": _TOLD},
        429: {"description": "The log is slower than the readings come; send again after Retry-After seconds."},
        503: {"description": "The log has not acknowledged the readings in time; send them again."},
    },
}


STYLE = "body{font:16px sans-serif;max-width:50em;margin:2em auto;padding:0 1em} pre{overflow:auto} th{padding-right:1em}"


def page() -> str:
    """The same for people, as HTML that loads nothing: the framework's own page takes its scripts from elsewhere."""
    said = "".join(f"<p>{escape(part)}</p>" for part in DESCRIPTION.split("\n\n"))
    examples = "".join(f"<h3>{schema['title']}</h3><pre>{_shown(schema)}</pre>" for schema in (_READING, _BATCH))
    answers = "".join(f"<tr><th>{status}<td>{escape(answer['description'])}" for status, answer in POST_READINGS["responses"].items())
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>sensorline: readings by HTTP</title><style>{STYLE}</style>
<h1>Readings by HTTP</h1>{said}
<h2>POST /readings</h2>
<p>One reading, one batch, or a list of them as <code>application/json</code>; or one a line as <code>application/x-ndjson</code>.
Where keys are asked for, send one as <code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>.</p>
{examples}<h3>Answers</h3><table>{answers}</table>
<p>For programs: <a href="openapi.json">openapi.json</a>. For probes: <code>GET /healthz</code> and <code>GET /readyz</code>.</p></html>
"""


def _shown(schema: dict[str, Any]) -> str:
    return escape(json.dumps(schema["examples"][0], indent=2), quote=False)

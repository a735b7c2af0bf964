"""What the OpenAPI page of `sensorline http` says: the shapes of bodies and answers. Knows no web framework."""

from __future__ import annotations

from typing import Any

DESCRIPTION = """Readings of sensors, one by one or many at once.

A reading is taken when the answer says so: only then the log has it. Sent twice it changes nothing, so that after any other
answer, or none, it can be sent again. What only the clock can tell (`future`, `past`, `late`) is told on the rejected topic.
"""

_VALUE = {"type": ["number", "string", "null"]}
_TIME = {"description": "Milliseconds since the epoch, or RFC 3339 with a zone.", "type": ["integer", "string"]}
_READING = {
    "title": "Reading",
    "type": "object",
    "required": ["device", "time", "values"],
    "properties": {"device": {"type": "string"}, "time": _TIME, "values": {"type": "object", "additionalProperties": _VALUE}},
    "examples": [{"device": "pump-7", "time": 1767225600123, "values": {"temperature": 71.3, "vibration": 0.02}}],
}
_BATCH = {
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
        413: {"description": "Too large; send less at once."},
        422: {"description": "All readings were refused.", "content": _TOLD},
        429: {"description": "The log is slower than the readings come; send again after Retry-After seconds."},
        503: {"description": "The log has not acknowledged the readings in time; send them again."},
    },
}

"""Logging: one line for each event on standard error, as text or as JSON. Standard output carries data only."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum


class LogFormat(StrEnum):
    """How a line of the log looks."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """From which level on events are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def set_up(style: LogFormat, level: LogLevel) -> None:
    """Sends the log of the whole process to standard error; calling it again replaces what was set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level is not LogLevel.DEBUG:
        # The client logs every connection, errors that it then retries, and tracebacks of its own tasks when it is closed
        # in the middle of a join (kafka-python 3.0.12); what matters is raised.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)


def fields(**named: object) -> dict[str, object]:
    """The `extra` of an event: what a machine looks for in it, ids above all. They follow the text, and are keys of the JSON."""
    return {"fields": named}


class TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00.123Z warning pipeline.runner: text (device pump-7, rule worn)`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        named = ", ".join(f"{name} {_text(value)}" for name, value in _fields(record).items())
        return f"{super().formatMessage(record)} ({named})" if named else super().formatMessage(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the library's name
        return _moment(record)


class JsonFormatter(logging.Formatter):
    """One JSON object with time, level, logger, message, the event's fields and, for an exception, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        # A field never stands for what every event has.
        event = {
            **_fields(record),
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    named: dict[str, object] = getattr(record, "fields", {})
    return named


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

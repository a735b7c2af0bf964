"""The types that the sections of the configuration are made of: strict numbers, durations, names, paths.

Whole numbers, booleans and fractions are strict: TOML has types, and the text of an environment variable is converted
before it gets here. Error texts say only what is allowed; `pipeline.config.problems` adds key, value and origin.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AllowInfNan, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

from pipeline.config.durations import EXAMPLES, format_duration, parse_duration

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Section(BaseModel):
    """A table of the configuration file: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def key_problem(key: str, allowed: str) -> PydanticCustomError:
    """The error of a validator of a whole section that blames one of its keys; `key` may be dotted."""
    # Braces would be taken for placeholders, so that the text travels as a placeholder's value.
    return PydanticCustomError("key", "{allowed}", {"allowed": allowed, "key": key})


def problem(allowed: str) -> PydanticCustomError:
    """The error of a validator of one key."""
    return PydanticCustomError("value", "{allowed}", {"allowed": allowed})


def _duration(value: object) -> int:
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except ValueError as error:
        raise problem(str(error)) from None


def _duration_or_none(value: object) -> int | None:
    if value == "none":
        return None
    try:
        return parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise problem(f'must be "none" or a duration with a unit, such as {EXAMPLES}') from None


def _extent(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if value == "none":
        return 0
    try:
        parse_duration(value if isinstance(value, str) else "")
    except ValueError:
        raise problem(f'must be a duration with a unit, such as {EXAMPLES}, or for kind "count" a number of steps') from None
    return str(value)


def _int_or_auto(value: object) -> int | None:
    if value == "auto":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise problem('must be "auto" or a whole number of at least 1')


def _number_or_none(value: object) -> float | None:
    if value == "none":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    raise problem('must be "none" or a positive number')


def _shown_or_none(value: float | None) -> float | str:
    return "none" if value is None else value


def _shown_or_auto(value: int | None) -> int | str:
    return "auto" if value is None else value


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None or value in {".", ".."}:
        raise problem("must be 1 to 200 letters, digits, dots, hyphens or underscores")
    return value


def _beside_the_file(value: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return value if folder is None else Path(folder) / value


Int = Annotated[int, Strict()]
Bool = Annotated[bool, Strict()]
IntOrAuto = Annotated[int | None, BeforeValidator(_int_or_auto), PlainSerializer(_shown_or_auto)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
PositiveOrNone = Annotated[float | None, BeforeValidator(_number_or_none), PlainSerializer(_shown_or_none)]
Duration = Annotated[int, BeforeValidator(_duration), PlainSerializer(format_duration)]
OptionalDuration = Annotated[int | None, BeforeValidator(_duration_or_none), PlainSerializer(format_duration)]
Extent = Annotated[int | str, BeforeValidator(_extent)]  # a number of steps, or the text of a duration
Name = Annotated[str, AfterValidator(_name)]  # fit for a topic, a group, a metric label
FilePath = Annotated[Path, AfterValidator(_beside_the_file)]

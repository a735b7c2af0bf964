"""Where the keys of a TOML file are written. `tomllib` does not say; errors and `sensorline check` should."""

from __future__ import annotations

import re
from collections import Counter

KeyPath = tuple[str, ...]

_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")
_ARRAY_OF_TABLES = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(#.*)?")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_.-]|\"[^\"]*\"|'[^']*')+)\s*=")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^.\s]+)")


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Line of each table header and key, from 1; an element of an array of tables has its number as a part of the path.

    It reads line by line, so that it can be wrong inside texts of several lines; it serves messages only.

    >>> line_numbers('[window]\\ngap = "10s"')
    {('window',): 1, ('window', 'gap'): 2}
    """
    lines: dict[KeyPath, int] = {}
    seen: Counter[KeyPath] = Counter()
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _ARRAY_OF_TABLES.fullmatch(line):
            name = _parts(match[1])
            table = (*name, str(seen[name]))
            seen[name] += 1
            lines.setdefault(name, number)
            lines.setdefault(table, number)
        elif match := _TABLE.fullmatch(line):
            table = _parts(match[1])
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, *_parts(match[1])), number)
    return lines


def _parts(dotted: str) -> KeyPath:
    return tuple(next(filter(None, match), "") for match in _PART.findall(dotted))

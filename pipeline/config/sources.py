"""What somebody wrote: the values of a TOML file and where each is written. Nothing is validated here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.config.places import KeyPath, line_numbers
from pipeline.errors import ConfigurationError


@dataclass
class Given:
    """The values that somebody wrote, as one tree, and where each was written."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)  # of values: "sensorline.toml:12" or a variable's name
    tables: dict[KeyPath, str] = field(default_factory=dict)  # of table headers

    def origin(self, path: KeyPath) -> str | None:
        """Where the value at `path`, or the list or table that holds it, was written; None: nowhere."""
        return next((self.origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.origins), None)

    def place(self, path: KeyPath) -> str | None:
        """Like `origin`; for a table, where its header or the first of its keys was written."""
        within = (origin for key, origin in self.origins.items() if key[: len(path)] == path)
        return self.origin(path) or self.tables.get(path) or next(within, None)

    def value(self, path: KeyPath) -> object:
        """What was written at `path`; raises `KeyError` where nothing was."""
        node: Any = self.tree
        for part in path:
            try:
                node = node[int(part)] if isinstance(node, list) else node[part]
            except (TypeError, ValueError, IndexError):
                raise KeyError(path) from None
        return node


def read_file(path: Path) -> Given:
    """The values of a TOML file. Raises `ConfigurationError` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: there is no such configuration file") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is no text in UTF-8: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not valid TOML: {error}") from None
    lines = line_numbers(text)
    given = Given(tree, tables={key: f"{path}:{line}" for key, line in lines.items()})
    given.origins = {key: f"{path}:{lines[key]}" if key in lines else str(path) for key in leaves(tree)}
    return given


def leaves(tree: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Paths of all values in the tree; a list of tables is gone into, another list is a value."""
    for key, value in tree.items():
        children: Mapping[str, Any] = {}
        if isinstance(value, dict):
            children = value
        elif isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
            children = {str(place): item for place, item in enumerate(value)}
        if not children:
            yield (key,)
        yield from ((key, *rest) for rest in leaves(children))

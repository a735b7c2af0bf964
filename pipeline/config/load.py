"""Loading: file and environment become `Settings`, with the origin of every value. The only way in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.config.environment import override
from pipeline.config.problems import describe, show
from pipeline.config.settings import Settings
from pipeline.config.sources import Given, leaves, read_file
from pipeline.errors import ConfigurationError

DEFAULT_FILE = Path("sensorline.toml")
DEFAULT = "default"


class Effective(NamedTuple):
    """One setting in effect: its key, its value as it would be written, and where it was written."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True)
class Configuration:
    """The settings, the file they came from (None: none), and where each was written."""

    settings: Settings
    file: Path | None
    given: Given

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return (self.file or DEFAULT_FILE).absolute().parent

    def effective(self) -> Iterator[Effective]:
        """Every setting that has an effect, in the order of the sections."""
        tree = self.settings.model_dump(mode="json", by_alias=True)
        foreign: set[tuple[str, ...]] = {("window", key) for key in self.settings.window.foreign_keys()}
        foreign |= {("alerts", str(place), key) for place, rule in enumerate(self.settings.alerts) for key in rule.foreign_keys()}
        for path in leaves(tree):
            if path not in foreign:
                yield Effective(".".join(path), show(path, _value_at(tree, path)), self.given.origin(path) or DEFAULT)


def load(file: Path | None, environ: Mapping[str, str]) -> Configuration:
    """The configuration of `file` and the environment; None: `sensorline.toml` in the current folder, if it is there.

    Raises `ConfigurationError` with one line for each thing that is wrong.
    """
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    given = Given() if file is None else read_file(file)
    override(given, environ)
    if file is None and "sensors" not in given.tree:
        begin = '[sensors] names = ["temperature", "vibration"]'
        raise ConfigurationError(
            f"there is no {DEFAULT_FILE} in this folder, and --config names no other; write one that begins with {begin}"
        )
    given.tree.setdefault("sensors", {})
    folder = (file or DEFAULT_FILE).absolute().parent
    try:
        settings = Settings.model_validate(given.tree, context={"folder": folder})
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(error, given, _defaults()))) from None
    return Configuration(settings, file, given)


def _defaults() -> dict[str, Any]:
    return Settings.model_validate({"sensors": {"names": ["any"]}}).model_dump(mode="json", by_alias=True)


def _value_at(tree: Mapping[str, Any], path: tuple[str, ...]) -> object:
    node: Any = tree
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node

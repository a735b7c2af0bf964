"""Which operating conditions to look for. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ConfigurationError


@dataclass(frozen=True)
class OperatingConditions:
    """So many conditions in the values of these sensors. Raises `ConfigurationError` for none of either."""

    settings: tuple[str, ...]
    count: int

    def __post_init__(self) -> None:
        if not self.settings or len(set(self.settings)) < len(self.settings):
            raise ConfigurationError(f"settings = {','.join(self.settings)}: must be sensors, each once")
        if self.count < 2:
            raise ConfigurationError(f"conditions = {self.count}: must be at least 2; without conditions leave it out")

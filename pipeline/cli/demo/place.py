"""The demo's folder: what is in it, and how it is made without touching anything that the demo did not make."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pipeline.errors import ConfigurationError, SensorlineError

MARKER = ".sensorline-demo"  # holds the configuration as the demo wrote it: one that differs was edited
CONFIGURATION = "sensorline.toml"
DATABASE = "sensorline.db"
REPLACED = (
    "training.parquet",
    "training-labels.parquet",
    "recording.parquet",
    "labels.parquet",
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    "machine.png",
)

_TEMPLATE = Path(__file__).with_name(CONFIGURATION)


@dataclass(frozen=True)
class Place:
    """The demo's folder and the files in it."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.folder / CONFIGURATION

    @property
    def training(self) -> tuple[Path, Path]:
        """The recording to learn from, and its labels."""
        return self.folder / "training.parquet", self.folder / "training-labels.parquet"

    @property
    def watched(self) -> tuple[Path, Path]:
        """The recording to watch, and what is really the case."""
        return self.folder / "recording.parquet", self.folder / "labels.parquet"

    @property
    def bundle(self) -> Path:
        """The model's folder."""
        return self.folder / "models" / "wear"

    @property
    def picture(self) -> Path:
        """The picture of one machine."""
        return self.folder / "machine.png"


def prepare(folder: Path, commands: str) -> tuple[Place, Path | None]:
    """Makes the folder with its configuration; in one of an earlier run replaces what that run made.

    Returns the place, and where a configuration that somebody has edited is kept. `commands` are shown in the
    configuration, one on each line. Raises `ConfigurationError` for a folder that the demo did not make.
    """
    place = Place(folder)
    try:
        _require_own(folder)
        folder.mkdir(parents=True, exist_ok=True)
        kept = _keep_edited(place)
        for name in REPLACED:
            (folder / name).unlink(missing_ok=True)
        # With the database: a process that still reads the deleted one must not keep the new one's partitions.
        shutil.rmtree(folder / f"{DATABASE}-locks", ignore_errors=True)
        text = _TEMPLATE.read_text("utf-8").replace("@commands@", "\n".join(f"#     {line}" for line in commands.splitlines()))
        (folder / MARKER).write_text(text, "utf-8")
        place.configuration.write_text(text, "utf-8")
    except OSError as error:
        raise SensorlineError(f"{folder}: cannot be made into the demo's folder: {error.strerror or error}") from error
    return place, kept


def _require_own(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder}: is a file; give the demo another --folder")
    if folder.is_dir() and not (folder / MARKER).is_file() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder}: is a folder that the demo did not make; give it another --folder, or move this one away")


def _keep_edited(place: Place) -> Path | None:
    written = place.configuration
    if not written.is_file() or written.read_bytes() == (place.folder / MARKER).read_bytes():
        return None
    kept = next(path for number in count(1) if not (path := written.with_name(f"{CONFIGURATION}.{number}")).exists())
    return written.rename(kept)

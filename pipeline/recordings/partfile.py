"""One part file: written whole or not at all, and read. What its topic carries is in the file's own metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

# pyarrow has no type stubs.
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.atomic import atomic_file
from pipeline.recordings.columns import OFFSET
from pipeline.recordings.parts import Piece, Place, part_path
from pipeline.recordings.rows import Rows

ROW_GROUP = 65_536
METADATA = b"sensorline"


class About(msgspec.Struct, frozen=True):
    """What is in a part besides its rows. Records are of the part's own offsets."""

    topic: str
    kind: str  # "readings", "windows", ...
    ticks: int = 0
    refused: Mapping[str, int] = {}  # readings, or records, that could not be decoded, by reason: they are only counted


def write_part(folder: Path, day: int, place: Place, rows: Rows, about: About) -> Path:
    """Completes a part: when it returns, the file is on the disk. Raises `SensorlineError` where it cannot be written."""
    path = part_path(folder, day, place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SensorlineError(f"{path.parent}: cannot be made a folder: {error.strerror or error}") from error
    table = rows.table()
    table = table.replace_schema_metadata({METADATA: msgspec.json.encode(about)})
    with atomic_file(path) as file:
        pq.write_table(table, file, row_group_size=ROW_GROUP, compression="zstd")
    return path


def read_about(path: Path) -> About | None:
    """What a part says of itself; None for a Parquet file that is no part. Raises `ConfigurationError` for anything else."""
    with _opened(path) as file:
        text = (file.schema_arrow.metadata or {}).get(METADATA)
    return None if text is None else msgspec.json.decode(text, type=About)


def batches_of(piece: Piece, columns: list[str] | None = None) -> Iterator[Any]:
    """The Arrow record batches of a piece; `_offset` is among the columns."""
    begin = piece.begin if piece.begin > piece.part.place.first else None
    with _opened(piece.part.path) as file:
        for batch in file.iter_batches(columns=None if columns is None else [*columns, OFFSET]):
            yield batch if begin is None else batch.filter(pc.greater_equal(batch.column(OFFSET), begin))


def _opened(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise ConfigurationError(f"{path}: is not a sound Parquet file: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error

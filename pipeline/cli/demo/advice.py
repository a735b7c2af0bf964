"""What to type next, so that it works where it is typed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.config.environment import NOT_SETTINGS, PREFIX

NAME = "sensorline"
CONFIGURATION = "SENSORLINE_CONFIG"

# Command lines and what they are for; the second group goes on until Ctrl-C, each in a terminal of its own.
TO_READ = (
    ("sensorline tail alerts --from-start --until-end", "the alerts, as JSON Lines"),
    ("sensorline tail rejected --from-start --until-end | head -3", "refused readings, and why"),
    ("sensorline lengths recording.parquet", "how long windows are, and what padding costs"),
    ("sensorline check", "every setting, and where it comes from"),
)
LIVE = (
    ("sensorline run", "all stages, until Ctrl-C"),
    ("sensorline tail predictions", "their scores, as they come"),
    ("sensorline replay recording.parquet --speed 240", "the same 8 hours again, in two minutes"),
)


def first_commands(folder: Path, environ: Mapping[str, str]) -> list[str]:
    """What must be typed before the others: into the folder, the program on the path, no setting over those of the folder."""
    lines = [f"cd {shlex.quote(str(folder))}"]
    if not _is_on_path():
        lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    settings = sorted(name for name in environ if name.startswith(PREFIX) and (name not in NOT_SETTINGS or name == CONFIGURATION))
    if settings:
        lines.append(f"unset {' '.join(settings)}")
    return lines


def _is_on_path() -> bool:
    """Whether typing `sensorline` runs this installation."""
    found = shutil.which(NAME)
    return found is not None and Path(os.path.realpath(found)).parent == Path(sys.executable).parent.resolve()

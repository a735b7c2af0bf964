"""Whether a file looks like a saved Keras model, without Keras, which takes seconds to start."""

from __future__ import annotations

import zipfile
from pathlib import Path

from pipeline.errors import ModelRefused

_MODEL_PARTS = {"config.json", "metadata.json", "model.weights.h5"}


def require_keras_file(file: Path) -> None:
    """Raises `ModelRefused` that says what to do where the file is missing, of another kind, or only a part."""
    if not file.is_file():
        raise ModelRefused(f"there is no model file {file}")
    advice = 'save the model again with model.save("model.keras")'
    if not zipfile.is_zipfile(file):
        raise ModelRefused(f"{file} is no .keras file, or only a part of one; {advice}")
    with zipfile.ZipFile(file) as archive:
        missing = _MODEL_PARTS - set(archive.namelist())
    if missing:
        raise ModelRefused(f"{file} is a zip file without {', '.join(sorted(missing))}; {advice}")

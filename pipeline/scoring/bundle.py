"""The bundle folder: `contract.json` and the files it names, written all at once and verified when read. Imports no model library."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.errors import ConfigurationError, ModelRefused
from pipeline.scoring.contract import GOLDEN_FILE, MODEL_FILE, ONNX_FILE, ONNX_GROWING_FILE, Contract, decode_contract, encode_contract

CONTRACT_FILE = "contract.json"


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk whose files are those that its contract names.

    `sha256` is that of `contract.json`. As it covers the scaling and the fill rule, and through the files' hashes the
    weights, two bundles that score differently never share it; that of the model file alone would not tell them apart.
    """

    folder: Path
    contract: Contract
    sha256: str

    @property
    def model_file(self) -> Path:
        """The Keras model."""
        return self.folder / MODEL_FILE

    @property
    def onnx_file(self) -> Path | None:
        """The same model translated; None where it could not be."""
        return self._optional(ONNX_FILE)

    @property
    def onnx_growing_file(self) -> Path | None:
        """The translation that goes on with a window where it stood; None where there is none."""
        return self._optional(ONNX_GROWING_FILE)

    @property
    def golden_file(self) -> Path | None:
        """Recorded windows and their scores; None where the bundle was made without a recording."""
        return self._optional(GOLDEN_FILE)

    def _optional(self, name: str) -> Path | None:
        return self.folder / name if name in self.contract.files else None


def write_bundle(folder: Path, contract: Contract, files: Mapping[str, Path]) -> Bundle:
    """Copies the files into a new bundle and records their hashes in the contract.

    The folder appears whole or not at all; a bundle that is there already is replaced. Raises `ConfigurationError`
    where the place is taken by something else or cannot be written.
    """
    require_place(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, file in files.items():
                shutil.copyfile(file, staging / name)
            contract = msgspec.structs.replace(contract, files={name: sha256_of(staging / name) for name in files})
            (staging / CONTRACT_FILE).write_bytes(encode_contract(contract))
            staging.chmod(0o755)
            _swap_in(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write the bundle {folder}: {error}") from None
    return read_bundle(folder)


def require_place(folder: Path) -> None:
    """Raises `ConfigurationError` where `write_bundle` would, as the place is taken; to be known before hours of training."""
    if folder.exists() and not _may_replace(folder):
        raise ConfigurationError(f"{folder} exists and is no model bundle; choose another folder")


def read_bundle(folder: Path) -> Bundle:
    """The bundle, verified. Raises `ModelRefused` for one that is missing, incomplete, damaged or of another version."""
    if not folder.is_dir():
        raise ModelRefused(f"there is no model bundle at {folder}; `sensorline train` or `sensorline bundle` makes one")
    data = _read(folder / CONTRACT_FILE)
    try:
        contract = decode_contract(data)
    except ValueError as error:
        raise ModelRefused(f"{folder / CONTRACT_FILE}: {error}") from None
    if MODEL_FILE not in contract.files:
        raise ModelRefused(f"{folder / CONTRACT_FILE}: files does not name {MODEL_FILE}")
    for name, expected in contract.files.items():
        _verify(folder / name, expected)
    return Bundle(folder, contract, hashlib.sha256(data).hexdigest())


def contract_sha256(folder: Path) -> str:
    """What `Bundle.sha256` would be, without a look at the other files. Raises `ModelRefused` where there is no contract."""
    return hashlib.sha256(_read(folder / CONTRACT_FILE)).hexdigest()


@contextmanager
def private_copy(folder: Path) -> Iterator[Bundle]:
    """A verified copy of the bundle that nobody else changes, until the end of the block.

    Whoever opens the files by their names might else get those of two bundles where the folder is replaced meanwhile. Raises
    `ModelRefused` as `read_bundle` does, also where the folder changed while it was copied.
    """
    named = read_bundle(folder)
    try:
        place = tempfile.TemporaryDirectory(prefix="sensorline-")
    except OSError as error:
        raise ModelRefused(f"cannot copy {folder}: {error.strerror}; set TMPDIR to a folder that can be written") from None
    with place as parent:
        private = Path(parent, folder.absolute().name)
        private.mkdir()
        try:
            for name in (CONTRACT_FILE, *named.contract.files):
                shutil.copyfile(folder / name, private / name)
            copied = read_bundle(private)
        except (OSError, ModelRefused) as error:
            raise ModelRefused(f"{folder} changed while it was read, or cannot be copied: {error}") from None
        yield copied


def sha256_of(file: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelRefused(f"cannot read {file}: {error.strerror}; the bundle is incomplete, make it again") from None


def _verify(file: Path, expected: str) -> None:
    try:
        found = sha256_of(file)
    except OSError as error:
        raise ModelRefused(f"cannot read {file}: {error.strerror}; the bundle is incomplete, make it again") from None
    if found != expected:
        raise ModelRefused(
            f"{file} is not the file that the contract names (sha256 {found[:12]}…, not {expected[:12]}…): damaged or replaced"
        )


def _may_replace(folder: Path) -> bool:
    return folder.is_dir() and ((folder / CONTRACT_FILE).is_file() or not any(folder.iterdir()))


def _swap_in(staging: Path, folder: Path) -> None:
    """Renames the staged folder into place; one that is there is moved aside first, as a rename cannot replace a full folder."""
    if not folder.exists():
        staging.replace(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        folder.replace(aside / folder.name)
        staging.replace(folder)
    finally:
        if not folder.exists():
            (aside / folder.name).replace(folder)
        shutil.rmtree(aside, ignore_errors=True)

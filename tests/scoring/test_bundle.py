"""A bundle is written whole, read back the same, and refused with one clear line when anything in it is wrong."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.core.features import Delta, DeltaPer, Observed, Value
from pipeline.errors import ConfigurationError, ModelRefused
from pipeline.scoring.bundle import CONTRACT_FILE, contract_sha256, private_copy, read_bundle, sha256_of, write_bundle
from pipeline.scoring.contract import MODEL_FILE, Contract, ContractOutput, ContractSensor, decode_contract, encode_contract

CONTRACT = Contract(
    name="pump",
    version="7",
    sensors=(ContractSensor("temperature", "°C", mean=20, scale=5), ContractSensor("mode", codes=("off", "on"))),
    channels=(Value(), Observed(), Delta(DeltaPer.SENSOR)),
    fill="forward",
    max_length=256,
    window={"kind": "session", "gap_ms": 10_000},
    task="regression",
    outputs=(ContractOutput("rul", "h"),),
    metrics={"rmse": 12.5},
    libraries={"keras": "3"},
)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    file = tmp_path / "trained" / "any-name.keras"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    return file


@pytest.fixture
def folder(tmp_path: Path, model_file: Path) -> Path:
    return write_bundle(tmp_path / "models" / "pump", CONTRACT, {MODEL_FILE: model_file}).folder


def edit(folder: Path, **changes: object) -> None:
    contract = json.loads((folder / CONTRACT_FILE).read_bytes())
    (folder / CONTRACT_FILE).write_text(json.dumps(contract | changes))


def test_a_bundle_reads_back_as_it_was_written(folder: Path, model_file: Path) -> None:
    bundle = read_bundle(folder)

    assert bundle.contract == msgspec.structs.replace(CONTRACT, files={MODEL_FILE: sha256_of(model_file)})
    assert bundle.sha256 == sha256_of(folder / CONTRACT_FILE)
    assert bundle.model_file.read_bytes() == b"weights"


def test_a_bundle_is_replaced_and_leaves_nothing_beside_it(folder: Path, model_file: Path) -> None:
    model_file.write_bytes(b"better weights")

    write_bundle(folder, CONTRACT, {MODEL_FILE: model_file})

    assert read_bundle(folder).model_file.read_bytes() == b"better weights"
    assert [entry.name for entry in folder.parent.iterdir()] == ["pump"]


def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path: Path, model_file: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match="is no model bundle"):
        write_bundle(tmp_path / "thesis", CONTRACT, {MODEL_FILE: model_file})
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"


def test_a_failed_write_leaves_the_old_bundle_and_no_rubbish(folder: Path, tmp_path: Path) -> None:
    before = read_bundle(folder)

    with pytest.raises(ConfigurationError, match="cannot write"):
        write_bundle(folder, CONTRACT, {MODEL_FILE: tmp_path / "not-there.keras"})
    assert read_bundle(folder) == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["pump"]


def halve_model(folder: Path) -> None:
    (folder / MODEL_FILE).write_bytes(b"wei")


def remove_model(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()


def remove_contract(folder: Path) -> None:
    (folder / CONTRACT_FILE).unlink()


def halve_contract(folder: Path) -> None:
    data = (folder / CONTRACT_FILE).read_bytes()
    (folder / CONTRACT_FILE).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (halve_model, "damaged or replaced"),
        (remove_model, "the bundle is incomplete"),
        (remove_contract, "the bundle is incomplete"),
        (halve_contract, "not JSON"),
        (lambda folder: edit(folder, contract_version=2), "contract_version is 2; this sensorline reads version 1"),
        (
            lambda folder: edit(folder, channels=[{"name": "phase"}]),
            "channel 'phase' is unknown; this sensorline makes value, change, observed",
        ),
        (lambda folder: edit(folder, max_length=0), "max_length must be at least 1"),
        (lambda folder: edit(folder, max_length="long"), "Expected `int`"),
        (lambda folder: edit(folder, padding_value=1e-40), "padding_value"),
        (lambda folder: edit(folder, files={}), "files does not name model.keras"),
        (lambda folder: edit(folder, files={"../model.keras": "0"}), "files must be names in the bundle's folder"),
        (lambda folder: edit(folder, sensors=[]), "sensors must be named"),
        (lambda folder: edit(folder, sensors=[{"name": "mode", "codes": ["off", "on"], "vocabulary": 2}]), "from 1 to its vocabulary - 1"),
        (lambda folder: edit(folder, last=0), "last must be at least 1"),
        (lambda folder: edit(folder, step_outputs=[{"name": "a"}, {"name": "a"}]), "step_outputs must be named, each once"),
    ],
)
def test_a_broken_bundle_is_refused_in_one_line(folder: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(folder)

    with pytest.raises(ModelRefused) as refused:
        read_bundle(folder)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_bundle_is_refused_with_the_commands_that_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="sensorline train"):
        read_bundle(tmp_path / "nothing")


def test_the_contract_is_json_for_people() -> None:
    text = encode_contract(CONTRACT).decode()

    assert '\n  "channels": [\n    {\n      "name": "value"\n    },' in text
    assert decode_contract(text.encode()) == CONTRACT


def test_bundles_that_scale_differently_have_different_identities(folder: Path, tmp_path: Path, model_file: Path) -> None:
    other = write_bundle(tmp_path / "other", msgspec.structs.replace(CONTRACT, fill="zero"), {MODEL_FILE: model_file})

    assert other.contract.files == read_bundle(folder).contract.files
    assert other.sha256 != read_bundle(folder).sha256


def test_the_identity_of_a_bundle_is_known_from_its_contract_alone(folder: Path) -> None:
    assert contract_sha256(folder) == read_bundle(folder).sha256


def test_a_private_copy_stays_what_it_was_when_the_bundle_is_replaced(folder: Path, model_file: Path) -> None:
    with private_copy(folder) as bundle:
        model_file.write_bytes(b"better weights")
        write_bundle(folder, CONTRACT, {MODEL_FILE: model_file})

        assert bundle.model_file.read_bytes() == b"weights"
        assert bundle.sha256 != read_bundle(folder).sha256
        assert bundle.folder.name == folder.name
    assert not bundle.folder.exists()


def test_whoever_copies_a_bundle_while_it_is_replaced_never_has_parts_of_two(folder: Path, tmp_path: Path) -> None:
    """One file more in every other bundle, and each file says in which."""
    seen: Counter[str] = Counter()
    enough = threading.Event()

    def replace_for_ever() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            files = {MODEL_FILE: tmp_path / "a", **({"model.onnx": tmp_path / "b"} if number % 2 else {})}
            for file in files.values():
                file.write_bytes(b"%d " % number * 20_000)
            write_bundle(folder, msgspec.structs.replace(CONTRACT, version=str(number)), files)

    writer = threading.Thread(target=replace_for_ever)
    writer.start()
    try:
        while len(seen) < 20:
            try:
                with private_copy(folder) as bundle:
                    contents = {(bundle.folder / name).read_bytes() for name in bundle.contract.files}
                    version = bundle.contract.version
            except ModelRefused:
                continue  # it was gone, or another one, in the middle of it
            assert contents == ({b"weights"} if version == "7" and b"weights" in contents else {b"%d " % int(version) * 20_000})
            seen[version] += 1
    finally:
        enough.set()
        writer.join()

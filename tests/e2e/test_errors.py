"""What a user meets when something is wrong: one clear line on standard error, the right exit code, soon, and no traceback."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.scoring.bundle import CONTRACT_FILE, read_bundle, write_bundle
from pipeline.scoring.contract import MODEL_FILE
from tests.e2e.conftest import StartPipeline
from tests.support.commands import Done
from tests.support.models import layers, save, sequential
from tests.support.pipelines import Pipeline, new_pipeline
from tests.support.simulated import SECTIONS

WITHIN_S = 15
MODEL_WITHIN_S = 30  # where TensorFlow is started first


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A pipeline on the embedded log, with its topics."""
    with ExitStack() as processes:
        yield new_pipeline(tmp_path_factory.mktemp("installation"), "sqlite:///", SECTIONS, processes)


def assert_one_clear_line(done: Done, code: int, said: str) -> None:
    assert done.returncode == code, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["topics", "create"], ["window"], ["tail", "windows"]])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nothing listens there; is broker.url right, and is Kafka running?"),
        ("no-such-host.invalid:9092", "cannot be resolved"),
    ],
)
def test_a_wrong_broker_address(installation: Pipeline, command: list[str], address: str, said: str) -> None:
    done = installation.run(*command, within_s=WITHIN_S, broker__url=f"kafka://{address}")
    assert_one_clear_line(done, 3, f"{address}: ")
    assert said in done.stderr


def test_a_broker_that_never_answers(installation: Pipeline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"kafka://127.0.0.1:{silent.getsockname()[1]}"
        done = installation.run("window", within_s=WITHIN_S, broker__url=url)
    assert_one_clear_line(done, 3, "does not answer")


def test_a_missing_topic(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(SECTIONS)
    (pipeline.folder / "one.jsonl").write_text('{"device":"a","time":1,"values":{"current":1}}\n')
    missing = {"topics__readings": "nowhere.readings", "topics__predictions": "nowhere.predictions"}
    for command in (["window"], ["alert"], ["tail", "predictions"], ["replay", "one.jsonl"]):
        done = pipeline.run(*command, within_s=WITHIN_S, **missing)
        assert_one_clear_line(done, 2, "nowhere.")
        assert "sensorline topics create" in done.stderr


def damaged(bundle: Path, out: Path) -> None:
    """Half of the model file is missing."""
    shutil.copytree(bundle, out)
    model = (out / MODEL_FILE).read_bytes()
    (out / MODEL_FILE).write_bytes(model[: len(model) // 2])


def without_contract(bundle: Path, out: Path) -> None:
    """The contract is no JSON."""
    shutil.copytree(bundle, out)
    (out / CONTRACT_FILE).write_text("name: wear\n")


def half_a_model(bundle: Path, out: Path) -> None:
    """Half a model file, and a contract that says it is so."""
    whole = read_bundle(bundle)
    half = out.with_suffix(".keras")
    half.write_bytes(whole.model_file.read_bytes()[: whole.model_file.stat().st_size // 2])
    write_bundle(out, whole.contract, {MODEL_FILE: half})


def changed_by_padding(bundle: Path, out: Path) -> None:
    """A layer that drops the mask."""
    contract = read_bundle(bundle).contract
    smoothing = layers.Conv1D(4, 3, padding="same", name="smooth")
    model = sequential(layers.Masking(), smoothing, layers.LSTM(4), layers.Dense(1), shape=(None, contract.features().width))
    write_bundle(out, contract, {MODEL_FILE: save(model, out.with_suffix(".made"))})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (damaged, "is not the file that the contract names"),
        (without_contract, CONTRACT_FILE),
        (half_a_model, MODEL_FILE),
        (changed_by_padding, "smooth (Conv1D) drops the mask"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_bundle(installation: Pipeline, wear_bundle: Path, make: Callable[[Path, Path], None], said: str, tmp_path: Path) -> None:
    make(wear_bundle, tmp_path / "broken")
    done = installation.run("score", within_s=MODEL_WITHIN_S, model__path=str(tmp_path / "broken"))
    assert_one_clear_line(done, 4, said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model__path": "nowhere"}, "there is no model bundle at "),
        ({"sensors__names": "temperature,current,vibration"}, "sensors"),
        ({"sensors__names": "temperature,current"}, "sensors"),
        ({"window__gap": "20s"}, "gap"),
        ({"window__kind": "tumbling", "window__gap": "0s", "window__size": "1m"}, "kind"),
    ],
)
def test_a_bundle_that_is_not_there_or_was_made_for_something_else(
    installation: Pipeline, wear_bundle: Path, settings: dict[str, str], said: str
) -> None:
    done = installation.run("score", within_s=WITHIN_S, **{"model__path": str(wear_bundle), **settings})
    assert_one_clear_line(done, 4, said)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nowhere.parquet", None, "no such file"),
        ("other.toml", b"[window]", "allowed are .parquet, .csv, .jsonl"),
        ("damaged.parquet", b"PAR1 and no more", "is not a sound Parquet file"),
        ("cut.jsonl", b'{"device":"a","time":1,"values":{"current":1}}\n{"device":"a","ti', "line 2"),
        ("table.csv", b"name,price\nbolt,3\n", "no column device"),
    ],
)
def test_a_wrong_file_to_replay(installation: Pipeline, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (installation.folder / name).write_bytes(content)
    done = installation.run("replay", name, "--speed", "max", within_s=WITHIN_S)
    assert_one_clear_line(done, 2, f"{name}")
    assert said in done.stderr
    assert installation.count("readings") == 0, "nothing of a file that is refused is published"


def test_an_unknown_key_in_the_configuration(installation: Pipeline) -> None:
    (installation.folder / "wrong.toml").write_text('[sensors]\nnames = ["a"]\n[window]\ngapp = "10s"\n')
    done = installation.run("--config", "wrong.toml", "window", within_s=WITHIN_S)
    assert_one_clear_line(done, 2, "window.gapp")
    assert "wrong.toml:4" in done.stderr
    done = installation.run("window", within_s=WITHIN_S, windows__gap="10s")
    assert_one_clear_line(done, 2, "SENSORLINE_WINDOWS__GAP")

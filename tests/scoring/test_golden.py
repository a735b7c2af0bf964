"""A bundle keeps some recorded windows and what Keras said of them; no engine may score them otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.errors import ModelRefused
from pipeline.records import Window
from pipeline.scoring.adopt import bundle_model
from pipeline.scoring.bundle import Bundle, read_bundle, write_bundle
from pipeline.scoring.contract import GOLDEN_FILE, MODEL_FILE, ONNX_FILE, ContractSensor
from pipeline.scoring.golden import Golden, choose, prove_golden
from pipeline.scoring.load import load_engine, open_scorer
from pipeline.wire.windows import decode_window
from tests.support.models import save, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = (ContractSensor("temperature"), ContractSensor("vibration"))
NAMES = ("temperature", "vibration")
POLICY = session_policy(max_length=40)


def windows(lengths: Sequence[int]) -> list[Window]:
    random = np.random.default_rng(7)
    return [make_window(random.normal(size=(length, 2)), NAMES, device=f"pump-{place}") for place, length in enumerate(lengths)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("recorded")
    recorded = windows([5, 9, 40, 1, 22, *[12] * 40])
    return bundle_model(save(sound_model(), folder), folder / "bundle", SENSORS, POLICY, recorded=recorded)


def stored(bundle: Bundle) -> Golden:
    assert bundle.golden_file is not None
    return msgspec.msgpack.decode(bundle.golden_file.read_bytes(), type=Golden)


def with_golden(bundle: Bundle, folder: Path, golden: bytes) -> Bundle:
    """The same bundle with another golden file, hashed as if it had been made with it."""
    (folder / "other").write_bytes(golden)
    files = {name: bundle.folder / name for name in (MODEL_FILE, ONNX_FILE)}
    return write_bundle(folder / "bundle", bundle.contract, files | {GOLDEN_FILE: folder / "other"})


def test_a_bundle_made_with_recorded_windows_is_proven_on_them_by_each_engine(bundle: Bundle) -> None:
    for engine in ("onnx", "keras"):
        largest = prove_golden(read_bundle(bundle.folder), load_engine(bundle, engine))

        assert largest is not None
        assert largest <= 1e-5


def test_a_bundle_made_without_a_recording_has_none(tmp_path: Path) -> None:
    bundle = bundle_model(save(sound_model(), tmp_path), tmp_path / "bundle", SENSORS, POLICY)

    assert bundle.golden_file is None
    assert prove_golden(bundle, load_engine(bundle)) is None


def test_an_engine_that_scores_otherwise_than_keras_did_is_refused_at_the_start(bundle: Bundle, tmp_path: Path) -> None:
    golden = stored(bundle)
    changed = msgspec.structs.replace(golden, scores=((golden.scores[0][0] + 1e-4,), *golden.scores[1:]))

    with pytest.raises(ModelRefused, match=r"scores a recorded window of 1 steps otherwise than Keras did .*, by 0\.0001"):
        open_scorer(with_golden(bundle, tmp_path, msgspec.msgpack.encode(changed)))


@pytest.mark.parametrize(
    "golden", [b"no golden", msgspec.msgpack.encode(Golden((), ())), msgspec.msgpack.encode(Golden((b"no window",), ((1.0,),)))]
)
def test_golden_windows_that_cannot_be_read_are_refused(golden: bytes, bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="make the bundle again"):
        open_scorer(with_golden(bundle, tmp_path, golden))


def test_windows_that_have_no_score_are_not_kept(tmp_path: Path) -> None:
    recorded = [make_window([[math.inf, math.inf]], NAMES), msgspec.structs.replace(windows([3])[0], too_short=True)]

    bundle = bundle_model(save(sound_model(), tmp_path), tmp_path / "bundle", SENSORS, POLICY, recorded=recorded)

    assert bundle.golden_file is None


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(3, 16))
def test_the_shortest_and_the_longest_window_are_among_the_chosen(lengths: list[int], count: int) -> None:
    chosen = choose(windows(lengths), count)

    assert min(len(lengths), count - 2) <= len(chosen) <= count
    assert (chosen[0].length, chosen[-1].length) == (min(lengths), max(lengths))
    assert len({window.id for window in chosen}) == len(chosen)
    assert chosen == choose(windows(lengths), count)


def test_the_command_takes_golden_windows_of_a_recording_by_the_configured_windows(tmp_path: Path) -> None:
    configuration = '[sensors]\nnames = ["temperature", "vibration"]\n[window]\nkind = "session"\ngap = "10s"\nmax_length = 4\n'
    (tmp_path / "sensorline.toml").write_text(configuration)
    lines = [f'{{"device":"a","time":{1_000 * step},"values":{{"temperature":{step},"vibration":1}}}}\n' for step in range(10)]
    (tmp_path / "recording.jsonl").write_text("".join(lines))
    files = ("--out", str(tmp_path / "bundle"), "--recording", str(tmp_path / "recording.jsonl"))

    done = CliRunner().invoke(app, ["--config", str(tmp_path / "sensorline.toml"), "bundle", str(save(sound_model(), tmp_path)), *files])

    assert done.exit_code == 0, done.output
    assert [decode_window(data).length for data in stored(read_bundle(tmp_path / "bundle")).windows] == [2, 4, 4]


@pytest.mark.parametrize(("roundings", "accepted"), [(0.8, True), (3, False)])
def test_a_small_score_of_an_output_with_large_ones_may_differ_by_their_rounding(roundings: float, accepted: bool, tmp_path: Path) -> None:
    model = sound_model()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([1_000 * kernel, bias])
    bundle = bundle_model(save(model, tmp_path), tmp_path / "made", SENSORS, POLICY, recorded=windows(range(1, 17)))
    golden = stored(bundle)
    sizes = [abs(scores[0]) for scores in golden.scores]
    smallest, largest = sizes.index(min(sizes)), max(sizes)
    assert 10 * sizes[smallest] < largest
    scores = [*golden.scores]
    scores[smallest] = (scores[smallest][0] + roundings * 1e-6 * largest,)
    changed = with_golden(bundle, tmp_path, msgspec.msgpack.encode(msgspec.structs.replace(golden, scores=tuple(scores))))

    if accepted:
        assert prove_golden(changed, load_engine(changed)) is not None
    else:
        with pytest.raises(ModelRefused, match="otherwise than Keras did"):
            prove_golden(changed, load_engine(changed))

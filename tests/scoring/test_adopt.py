"""A user's own Keras model becomes a bundle, or is refused with what to change."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.features import Value
from pipeline.errors import ModelRefused
from pipeline.scoring.adopt import Adoption, bundle_model
from pipeline.scoring.bundle import read_bundle
from pipeline.scoring.contract import ContractOutput, ContractSensor
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.load import load_scorer, open_scorer
from tests.support.models import layers, save, sequential, sound_model
from tests.support.windows import make_window, session_policy

SENSORS = (ContractSensor("temperature", "°C"), ContractSensor("vibration"), ContractSensor("mode", codes=("off", "on")))
NAMES = ("temperature", "vibration")
POLICY = session_policy(max_length=12)
CROSSWISE = (("wear", "ones"), ("rul", "zeros"))


def test_what_the_model_says_is_read_from_it(tmp_path: Path) -> None:
    bundle = bundle_model(save(sound_model(-1.0), tmp_path), tmp_path / "pump", SENSORS, POLICY, Adoption(name="pump", sensors=NAMES))

    contract = read_bundle(tmp_path / "pump").contract
    assert contract == bundle.contract
    assert contract.padding_value == -1
    assert contract.channels == (Value(),)
    assert contract.sensors == SENSORS[:2]
    assert contract.outputs == (ContractOutput("rul"),)
    assert contract.window == POLICY.spec(NAMES)
    assert {"keras", "tensorflow"} <= contract.libraries.keys()


def test_a_model_with_several_heads_gives_an_output_for_each_column(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2))
    hidden = layers.LSTM(4)(layers.Masking()(inputs))
    model = keras.Model(inputs, [layers.Dense(1, name="rul")(hidden), layers.Dense(2, name="state")(hidden)])

    bundle = bundle_model(save(model, tmp_path), tmp_path / "out", SENSORS[:2], POLICY)

    assert [output.name for output in bundle.contract.outputs] == ["rul", "state_0", "state_1"]


def test_a_model_that_gives_a_dict_has_its_keys_as_outputs(tmp_path: Path) -> None:
    inputs = keras.Input((None, 2))
    hidden = layers.LSTM(4)(layers.Masking()(inputs))
    # Layers are named crosswise: by them, each score would go out as the other.
    rul, wear = (layers.Dense(1, name=name, kernel_initializer="zeros", bias_initializer=value) for name, value in CROSSWISE)
    model = keras.Model(inputs, {"wear": wear(hidden), "rul": rul(hidden), "state": layers.Dense(2)(hidden)})

    bundle = bundle_model(save(model, tmp_path), tmp_path / "out", SENSORS[:2], POLICY)

    scorer = open_scorer(bundle)
    found = dict(zip(scorer.output_names, scorer.score([make_window([[1, 2]], NAMES)]).outputs[0].tolist(), strict=True))
    assert found.keys() == {"rul", "state_0", "state_1", "wear"}
    assert (found["rul"], found["wear"]) == (1, 0)


def test_a_model_of_codes_takes_one_sensor_and_its_vocabulary(tmp_path: Path) -> None:
    model = sequential(layers.Embedding(3, 2, mask_zero=True), layers.LSTM(4), layers.Dense(1), shape=(None,))

    contract = bundle_model(save(model, tmp_path), tmp_path / "out", SENSORS, POLICY, Adoption(sensors=("mode",))).contract

    assert contract.sensors == (ContractSensor("mode", codes=("off", "on"), vocabulary=3),)


def test_a_fixed_time_dimension_becomes_the_only_length(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4), layers.Dense(1), shape=(20, 2))

    bundle_model(save(model, tmp_path), tmp_path / "out", SENSORS[:2], POLICY)

    assert load_scorer(tmp_path / "out", NAMES, POLICY).contract.fixed_length == 20


def refusal(file: Path, **told: Any) -> str:
    with pytest.raises(ModelRefused) as refused:
        bundle_model(file, file.parent / "out", SENSORS, POLICY, Adoption(**{"sensors": NAMES} | told))
    assert not (file.parent / "out").exists(), "nothing is written for a model that is refused"
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "there is no model file" in refusal(tmp_path / "nothing.keras")


def test_a_file_of_another_kind_or_half_a_model_is_refused(tmp_path: Path) -> None:
    file = save(sound_model(), tmp_path)
    file.write_bytes(file.read_bytes()[:-200])
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n")

    for broken in (file, tmp_path / "old.h5"):
        assert 'save the model again with model.save("model.keras")' in refusal(broken)


def test_a_zip_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")

    assert "without metadata.json, model.weights.h5" in refusal(tmp_path / "model.keras")


def test_another_number_of_features_is_refused_with_both_numbers(tmp_path: Path) -> None:
    said = refusal(save(sound_model(), tmp_path), sensors=None)

    assert "takes 2 features per step, but there are 3 sensors (temperature, vibration, mode)" in said


def test_a_sensor_that_is_not_configured_is_refused_with_those_that_are(tmp_path: Path) -> None:
    said = refusal(save(sound_model(), tmp_path), sensors=("temperature", "noise"))

    assert "sensor 'noise' is not configured; [sensors] names has temperature, vibration, mode" in said


def test_a_fixed_length_below_max_length_is_refused_with_the_key_to_change(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4), layers.Dense(1), shape=(5, 2))

    assert "takes exactly 5 steps, but windows have up to 12; set [window] max_length = 5" in refusal(save(model, tmp_path))


def test_names_for_another_number_of_outputs_are_refused(tmp_path: Path) -> None:
    said = refusal(save(sound_model(), tmp_path), outputs=(ContractOutput("rul"), ContractOutput("wear")))

    assert "gives 1 numbers per window, but 2 outputs are named (rul, wear)" in said


def test_a_mask_value_that_cannot_mark_padding_is_refused(tmp_path: Path) -> None:
    assert "padding_value" in refusal(save(sound_model(1e-40), tmp_path))


def test_a_model_whose_scores_padding_changes_is_refused(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.Conv1D(4, 3, padding="same"), layers.LSTM(4), layers.Dense(1))

    assert "drops the mask" in refusal(save(model, tmp_path))

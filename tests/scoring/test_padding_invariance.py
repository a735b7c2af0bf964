"""Scores do not depend on padding or batch mates; a model of which that is not true is refused, with the cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.batching import BatchPolicy
from pipeline.errors import ModelRefused
from pipeline.scoring.engine import Inputs, ModelInput, ModelSignature, Scored
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.probe import prove_padding_invariance, same_scores
from tests.support.models import layers, save, sequential, sound_model

SOUND: dict[str, Callable[[], Any]] = {
    "LSTM": sound_model,
    "padding value -1": lambda: sound_model(-1.0),
    "padding value 0.1": lambda: sound_model(0.1),
    "stacked": lambda: sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.LSTM(4), layers.Dense(1)),
    "bidirectional": lambda: sequential(layers.Masking(), layers.Bidirectional(layers.GRU(4)), layers.Dense(1)),
    "normalised": lambda: sequential(layers.Masking(), layers.LayerNormalization(), layers.BatchNormalization(), layers.LSTM(4)),
    "masked average": lambda: sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.GlobalAveragePooling1D()),
    "codes": lambda: sequential(layers.Embedding(6, 3, mask_zero=True), layers.LSTM(4), layers.Dense(1), shape=(None,)),
    "fixed length": lambda: sequential(layers.Masking(), layers.LSTM(4, return_sequences=True), layers.Flatten(), shape=(12, 2)),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_model_that_respects_its_mask_is_proven(name: str, tmp_path: Path) -> None:
    engine = KerasEngine(save(SOUND[name](), tmp_path))

    prove_padding_invariance(engine, max_length=12)

    assert [given.vocabulary for given in engine.signature.inputs] == [6 if name == "codes" else None]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no mask": (lambda: sequential(layers.LSTM(4), layers.Dense(1)), "the model has no mask, .* begin it with Masking"),
    "no mask for codes": (
        lambda: sequential(layers.Embedding(6, 3), layers.LSTM(4), shape=(None,)),
        r"begin it with Embedding\(mask_zero=True\)",
    ),
    "convolution": (
        lambda: sequential(layers.Masking(), layers.Conv1D(4, 3, padding="same", name="smooth"), layers.LSTM(4)),
        r"when a window is padded from 1 to 2 steps: its layer smooth \(Conv1D\) drops the mask",
    ),
    "nested convolution": (
        lambda: sequential(layers.Masking(), keras.Sequential([layers.Conv1D(4, 1, name="inner")]), layers.LSTM(4)),
        r"its layer inner \(Conv1D\) drops the mask",
    ),
    "scaling before the mask": (
        lambda: sequential(layers.Normalization(mean=3.0, variance=2.0, name="scaler"), layers.Masking(), layers.LSTM(4)),
        r"its layer scaler \(Normalization\) comes before the mask",
    ),
    "all steps": (lambda: sequential(layers.Masking(), layers.LSTM(4, return_sequences=True)), "one row of numbers per window"),
    "rank": (lambda: sequential(layers.Flatten(), layers.Dense(1), shape=(3, 2, 2)), r"a model takes \(batch, time, features\)"),
    "half precision": (
        lambda: sequential(layers.Masking(dtype="mixed_float16"), layers.LSTM(4, dtype="mixed_float16")),
        "computes in float16",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_whose_scores_padding_would_change_is_refused_with_the_cause(name: str, tmp_path: Path) -> None:
    build, says = REFUSED[name]
    file = save(build(), tmp_path)

    with pytest.raises(ModelRefused, match=says) as refused:
        prove_padding_invariance(KerasEngine(file), max_length=12)
    assert "\n" not in str(refused.value)


@keras.saving.register_keras_serializable("tests")
class CentreOnBatch(keras.layers.Layer):  # type: ignore[misc]
    """A layer that lets windows of one batch change each other."""

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs - keras.ops.mean(inputs, axis=0, keepdims=True)


def test_a_model_that_mixes_windows_of_a_batch_is_refused(tmp_path: Path) -> None:
    model = sequential(layers.Masking(), layers.LSTM(4), CentreOnBatch(), layers.Dense(1))

    with pytest.raises(ModelRefused, match=r"scored together with others: a layer mixes steps, or windows"):
        prove_padding_invariance(KerasEngine(save(model, tmp_path)), max_length=12)


class Broken:
    """An engine that finds no score."""

    name = "broken"
    batching = BatchPolicy()
    threads = 1
    masks_by_value = True
    incremental = None
    signature = ModelSignature((ModelInput("steps"),), fixed_length=None, outputs=("y",))

    def score(self, inputs: Sequence[Inputs], lengths: NDArray[np.int64], with_steps: bool = False) -> Scored:
        return Scored(np.full((len(lengths), 1), np.nan, np.float32))

    def explain_padding(self) -> str:
        return "unknown"


def test_a_model_without_any_finite_score_is_refused() -> None:
    with pytest.raises(ModelRefused, match="no finite score"):
        prove_padding_invariance(Broken(), max_length=5)


def test_a_file_that_is_no_model_is_refused_by_the_engine(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no model")

    with pytest.raises(ModelRefused, match="cannot load"):
        KerasEngine(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("found", "alone", "same"),
    [
        (83.2005, 83.2, True),
        (83.202, 83.2, False),
        (1e-6, 0, True),
        (2e-5, 0, False),
        (np.nan, np.nan, True),
        (np.nan, 1, False),
        (5, np.inf, False),
    ],
)
def test_scores_are_the_same_within_a_relative_tolerance(found: float, alone: float, same: bool) -> None:
    assert same_scores(np.array([found], np.float32), np.array([alone], np.float32)) is same

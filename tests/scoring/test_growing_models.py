"""A model translated for growing windows gives, after each step, what Keras gives for the steps so far alone.

SENSORLINE_SOAK=1 tries ten times as many random models, which takes some minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.scoring.engine import ModelInput, ModelSignature
from pipeline.scoring.keras_engine import KerasEngine, keras
from pipeline.scoring.onnx_engine import OnnxIncrementalEngine
from pipeline.scoring.onnx_file import translated
from pipeline.scoring.prefixes import advance_in_pieces, difference_at_prefixes, prefix
from pipeline.scoring.probe import TOLERANCE, Made, same_scores
from pipeline.scoring.translate.model import translate_growing
from pipeline.scoring.translate.values import Untranslatable
from tests.support.models import layers, save, sound_model
from tests.support.random_models import random_model

MODELS = 200 if os.environ.get("SENSORLINE_SOAK") == "1" else 12
COMPARED = 4  # windows: of the longest the steps would take as long as of all the others


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_models_score_each_prefix_as_keras_alone(seed: int) -> None:
    model = random_model(seed, causal=True)
    incremental = OnnxIncrementalEngine(translate_growing(model.keras, model.signature))

    after_each_step = advance_in_pieces(incremental, model.signature, model.windows)

    for window, scores in zip(model.windows[:COMPARED], after_each_step, strict=False):
        assert len(scores) == window.length
        for length, found in enumerate(scores, start=1):
            alone = model.alone(prefix(window, length))
            assert same_scores(found, alone), f"{model.layers}: {found} after {length} steps, {alone} alone"


def test_how_the_steps_are_cut_changes_nothing() -> None:
    model = random_model(3, causal=True)
    incremental = OnnxIncrementalEngine(translate_growing(model.keras, model.signature))
    window = model.windows[-1]
    lengths = np.array([window.length])

    whole = incremental.advance([steps[None] for steps in window.inputs], lengths, np.zeros((1, incremental.state_width), np.float32))
    states, found = np.zeros((1, incremental.state_width), np.float32), []
    for step in range(window.length):
        outputs, states = incremental.advance([steps[None, step : step + 1] for steps in window.inputs], np.array([1]), states)
        found.append(outputs[0, 0])

    assert same_scores(np.stack(found), whole.outputs[0])
    assert same_scores(states, whole.states)


def test_windows_of_different_lengths_keep_the_states_of_their_own_last_steps() -> None:
    model = random_model(3, causal=True)
    incremental = OnnxIncrementalEngine(translate_growing(model.keras, model.signature))
    longer, shorter = model.windows[-1], prefix(model.windows[-1], 5)
    none = np.zeros((1, incremental.state_width), np.float32)

    alone = incremental.advance([steps[None] for steps in shorter.inputs], np.array([5]), none)
    together = incremental.advance(
        [np.stack([steps, steps]) for steps in longer.inputs], np.array([longer.length, 5]), np.repeat(none, 2, 0)
    )

    assert same_scores(together.states[1], alone.states[0])
    assert not same_scores(together.states[0], alone.states[0])


WHOLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "both directions": (lambda x: layers.Bidirectional(layers.LSTM(2), name="both")(x), r"layer both \(Bidirectional\)"),
    "backwards": (lambda x: layers.LSTM(2, go_backwards=True, name="back")(x), r"layer back \(LSTM\)"),
    "an average": (lambda x: layers.GlobalAveragePooling1D(name="mean")(layers.LSTM(2, return_sequences=True)(x)), r"layer mean"),
    "attention": (lambda x: layers.LSTM(2)(layers.Attention(name="look")([x, x])), r"layer look \(Attention\)"),
    "a convolution": (lambda x: layers.LSTM(2)(layers.Conv1D(2, 3, padding="causal", name="smooth")(x)), r"layer smooth \(Conv1D\)"),
    "a softmax over steps": (
        lambda x: keras.ops.sum(keras.ops.softmax(layers.LSTM(2, return_sequences=True)(x), axis=1), axis=1),
        r"\(Softmax\)",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_needs_the_whole_window_is_named(name: str) -> None:
    build, layer = WHOLE[name]

    with pytest.raises(Untranslatable, match=f"{layer}.* needs the whole window"):
        translate_growing(*described(build))


def test_an_inner_state_after_each_step_is_not_known() -> None:
    with pytest.raises(Untranslatable, match=r"layer cell \(LSTM\) gives its inner state"):
        translate_growing(*described(lambda x: layers.LSTM(2, return_state=True, name="cell")(x)[2]))


def test_a_model_that_remembers_nothing_has_nothing_to_go_on_with() -> None:
    with pytest.raises(Untranslatable, match="has no state"):
        translate_growing(*described(lambda x: layers.Dense(2)(x)[:, -1]))


def described(build: Callable[[Any], Any]) -> tuple[Any, ModelSignature]:
    """A model of what is built on a masked input, and what it takes and gives."""
    inputs = keras.Input((None, 2), name="values")
    model = keras.Model(inputs, build(layers.Masking()(inputs)))
    return model, ModelSignature((ModelInput("values", 2),), fixed_length=None, outputs=("a", "b"))


def test_a_bundle_gets_the_model_for_growing_windows_only_if_it_is_proven(tmp_path: Path) -> None:
    engine = KerasEngine(save(sound_model(), tmp_path))

    translation = translated(engine, longest=300)

    assert translation.growing is not None
    assert difference_at_prefixes(engine, OnnxIncrementalEngine(translation.growing), 300) <= TOLERANCE


def test_another_models_steps_are_told_from_this_ones(tmp_path: Path) -> None:
    file = save(sound_model(), tmp_path)
    engine, other = KerasEngine(file), KerasEngine(file)
    other.model.layers[-1].bias.assign([0.01])
    incremental = OnnxIncrementalEngine(translate_growing(other.model, other.signature))

    assert difference_at_prefixes(engine, incremental, 12) == pytest.approx(0.01, rel=0.01)


def test_the_scores_of_a_window_do_not_depend_on_the_windows_advanced_with_it() -> None:
    model = random_model(5, causal=True)
    incremental = OnnxIncrementalEngine(translate_growing(model.keras, model.signature))

    [alone] = advance_in_pieces(incremental, model.signature, [Made(model.windows[3].inputs)])
    together = advance_in_pieces(incremental, model.signature, model.windows)

    assert same_scores(together[3], alone)

"""What a network learns does not depend on interruptions; each architecture learns, and pads away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline.errors import ConfigurationError
from pipeline.scoring.keras_engine import KerasEngine
from pipeline.scoring.probe import prove_padding_invariance
from pipeline.training.batches import TrainingBatches
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.dataset import Examples
from pipeline.training.keras_model import Fitted, Material, fit_model
from pipeline.training.progress import Epoch, Watch
from pipeline.training.recipe import Architecture, Cell, Fitting, Recipe, Task

LONGEST = 12
SMALL = Recipe(architecture=Architecture(units=(8,)), fitting=Fitting(epochs=5, batch_size=32, learning_rate=0.02))


class Killed(Exception):
    """The training stops here."""


class Made(NamedTuple):
    fitted: Fitted
    engine: KerasEngine


def examples(seed: int, windows: int = 400, codes: int = 0) -> Examples:
    """The target is a function of the last step: of its first number, and of its first code."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, LONGEST + 1, windows)
    inputs = random.normal(size=(lengths.sum(), 2)).astype(np.float32)
    coded = tuple(random.integers(1, 5, len(inputs)).astype(np.int32) for _ in range(codes))
    last = np.cumsum(lengths) - 1
    targets = 50 + 10 * inputs[last, :1] + sum((5 * codes_[last, None] for codes_ in coded[:1]), np.zeros((windows, 1)))
    return Examples(inputs, lengths, targets.astype(np.float32), coded)


def fit(recipe: Recipe, folder: Path, watch: Watch | None = None, codes: int = 0, fingerprint: str = "this one") -> Made:
    training, held_out = (TrainingBatches(examples(seed, codes=codes), recipe.fitting.batch_size, 1) for seed in (1, 2))
    checkpoints = Checkpoints(folder / "checkpoints", fingerprint)
    fitted = fit_model(Material(training, held_out, (5,) * codes), recipe, folder / "m.keras", checkpoints, watch or Watch(lambda _: None))
    return Made(fitted, KerasEngine(folder / "m.keras"))


def scores(engine: KerasEngine) -> np.ndarray:
    random = np.random.default_rng(3)
    return engine.score([random.normal(size=(6, 4, 2)).astype(np.float32)], np.full(6, 4, np.int64)).outputs


@pytest.mark.parametrize(
    ("architecture", "codes"),
    [
        (Architecture(units=(12,)), 0),
        (Architecture(cell=Cell.GRU, units=(12, 8), dense=(8,)), 2),
        (Architecture(units=(8,), bidirectional=True, input_dropout=0.1), 0),
        (Architecture(cell=Cell.GRU, units=(8,), attention=True), 1),
        (Architecture(units=(8,), attention=True, bidirectional=True, dense=(8,)), 0),
    ],
    ids=["lstm", "stacked gru with codes", "bidirectional lstm", "gru with attention and codes", "bidirectional lstm with attention"],
)
def test_each_architecture_learns_and_its_scores_do_not_depend_on_padding(architecture: Architecture, codes: int, tmp_path: Path) -> None:
    made = fit(replace(SMALL, architecture=architecture), tmp_path, codes=codes)
    losses = [epoch.held_out_loss for epoch in made.fitted.history if epoch.held_out_loss is not None]
    assert losses[-1] < 0.9 * losses[0]
    prove_padding_invariance(made.engine, LONGEST)
    assert [given.vocabulary for given in made.engine.signature.inputs] == [None] + [5] * codes
    assert made.engine.signature.step_outputs == (("attention",) if architecture.attention else ())


def test_attention_weights_of_the_real_steps_sum_to_one(tmp_path: Path) -> None:
    recipe = replace(SMALL, architecture=Architecture(units=(4,), attention=True), fitting=Fitting(epochs=1))
    engine = fit(recipe, tmp_path).engine
    lengths = np.array([2, 7], np.int64)
    windows = np.random.default_rng(1).normal(size=(2, 7, 2)).astype(np.float32)
    windows[0, 2:] = 0
    weights = engine.score([windows], lengths, with_steps=True).step_outputs
    assert weights is not None
    np.testing.assert_allclose([weights[0, :2].sum(), weights[1].sum()], 1, atol=1e-5)


def test_a_training_that_was_killed_goes_on_to_the_same_model(tmp_path: Path) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise Killed

    whole = fit(SMALL, tmp_path / "whole")
    with pytest.raises(Killed):
        fit(SMALL, tmp_path / "killed", Watch(kill))
    seen: list[Epoch] = []
    resumed = fit(SMALL, tmp_path / "killed", Watch(seen.append))
    assert [epoch.number for epoch in seen] == [4, 5]
    assert [epoch.number for epoch in resumed.fitted.history] == [1, 2, 3, 4, 5]
    assert resumed.fitted.best_epoch == whole.fitted.best_epoch
    np.testing.assert_allclose(scores(resumed.engine), scores(whole.engine), rtol=1e-5)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    first = fit(SMALL, tmp_path)
    seen: list[Epoch] = []
    again = fit(SMALL, tmp_path, Watch(seen.append))
    assert seen == []
    np.testing.assert_array_equal(scores(again.engine), scores(first.engine))


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    fit(SMALL, tmp_path)
    with pytest.raises(ConfigurationError, match="other options, windows or labels"):
        fit(SMALL, tmp_path, fingerprint="another")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(SMALL, tmp_path)
    file = next((tmp_path / "checkpoints").iterdir())
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ConfigurationError, match="train without --resume"):
        fit(SMALL, tmp_path)


def test_steps_of_an_epoch_are_told(tmp_path: Path) -> None:
    steps: list[tuple[int, int, int]] = []
    fit(replace(SMALL, fitting=Fitting(epochs=2, batch_size=32)), tmp_path, Watch(lambda _: None, lambda *step: steps.append(step)))
    number = steps[-1][2]
    assert steps == [(epoch, done, number) for epoch in (1, 2) for done in range(1, number + 1)]


def test_what_has_no_target_teaches_nothing(tmp_path: Path) -> None:
    """Of two outputs the second never has a target; the first is learnt as it would be alone."""
    both, held_out = examples(1), examples(2)
    half = np.where(np.random.default_rng(0).random((len(both.lengths), 1)) < 0.5, both.targets / 10, np.nan)
    material = Material(
        TrainingBatches(both._replace(targets=np.hstack([half, np.full_like(half, np.nan)]).astype(np.float32)), 32, 1),
        TrainingBatches(held_out._replace(targets=np.hstack([held_out.targets / 10] * 2)), 32, 1),
    )
    recipe = replace(SMALL, task=Task.FORECAST)
    fitted = fit_model(material, recipe, tmp_path / "m.keras", Checkpoints(tmp_path / "c", ""), Watch(lambda _: None))
    assert all(np.isfinite(epoch.loss) for epoch in fitted.history)
    assert fitted.history[-1].loss < 0.9 * fitted.history[0].loss
    found = scores(KerasEngine(tmp_path / "m.keras"))
    assert np.isfinite(found).all()

"""Finding the weights of a network, epoch by epoch. With `architectures` the only training module that runs Keras; it knows
arrays, no windows.

The network is fitted on labels of about unit size; their mean and deviation are then folded into the last layer, so that the
model that is saved answers in the label's unit. Rejected: `Model.fit`; a training that goes on after a kill, with the result
of one that was not killed, needs the state of all of its callbacks and of its data set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.keras_engine import keras, tf
from pipeline.training.architectures import Network, Shape, build
from pipeline.training.batches import Members, TrainingBatches
from pipeline.training.checkpoint import Arrays, Checkpoints, Standing
from pipeline.training.progress import Epoch, Watch
from pipeline.training.recipe import Recipe, Task

_LEAST_PATIENCE = 3


class Fitted(NamedTuple):
    """How a model came about."""

    history: tuple[Epoch, ...]
    best_epoch: int  # the one whose weights were kept, from 1


class Material(NamedTuple):
    """What a network learns from, and by what it is judged; nothing held out: by nothing."""

    training: TrainingBatches
    held_out: TrainingBatches | None
    vocabularies: tuple[int, ...] = ()  # of each input of codes


class _LabelScale(NamedTuple):
    """Labels are `mean` + `deviation` times what the network is fitted to; each by output."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def fit_model(material: Material, recipe: Recipe, model_file: Path, checkpoints: Checkpoints, watch: Watch) -> Fitted:
    """Fits a network and saves it, with the weights of the epoch that was best on what is held out, else of the last.

    Goes on where the checkpoints say that it stood. On one machine equal arguments give equal weights, however often
    it was interrupted.
    """
    keras.utils.set_random_seed(recipe.fitting.seed)
    examples = material.training.examples
    shape = Shape(examples.inputs.shape[1], material.vocabularies, examples.targets.shape[1])
    scale = _label_scale(examples.targets, recipe.task)
    trainer = _Trainer(build(recipe.architecture, shape, recipe.task), recipe, scale)
    epochs = recipe.fitting.epochs_of(len(material.training.plan(1)))
    standing = checkpoints.read() or Standing((), (), ())
    if standing.history:
        trainer.variables = standing.variables
    while not _is_over(standing.history, epochs):
        number = len(standing.history) + 1
        loss = trainer.learn(material.training, number, epochs, watch)
        held_out = None if material.held_out is None else trainer.loss_of(material.held_out)
        history = (*standing.history, Epoch(number, epochs, loss, held_out))
        best = trainer.weights if _best(history) == number else standing.best
        standing = Standing(history, trainer.variables, best)
        checkpoints.write(standing)
        watch.on_epoch(history[-1])
    trainer.save(standing.best, model_file)
    return Fitted(standing.history, _best(standing.history))


class _Trainer:
    """A network, its optimizer, and the steps compiled for batches of any size."""

    def __init__(self, network: Network, recipe: Recipe, scale: _LabelScale) -> None:
        self._network = network
        self._fitting = recipe.fitting
        self._scale = scale
        self._is_classifier = recipe.task is Task.CLASSIFICATION
        self._optimizer = keras.optimizers.Adam(recipe.fitting.learning_rate, clipnorm=1.0)
        self._optimizer.build(network.trained.trainable_variables)
        signature = [
            tuple(tf.TensorSpec(given.shape, given.dtype) for given in network.trained.inputs),
            tf.TensorSpec((None, network.last.units), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        ]
        self._step = tf.function(self._one_step, input_signature=signature)
        self._judge = tf.function(self._total_loss, input_signature=signature)

    def learn(self, batches: TrainingBatches, number: int, epochs: int, watch: Watch) -> float:
        """One epoch; the mean loss of its windows."""
        plan = batches.plan(number)
        totals = np.zeros(2)
        for done, members in enumerate(plan):
            self._optimizer.learning_rate.assign(self._fitting.rate_at((number - 1 + (done + 0.5) / len(plan)) / epochs))
            totals += self._totals(self._step, batches, members)
            watch.on_step(number, done + 1, len(plan))
        return float(totals[0] / totals[1])

    def loss_of(self, batches: TrainingBatches) -> float:
        """The mean loss of windows that nothing is learnt from."""
        totals = np.sum([self._totals(self._judge, batches, members) for members in batches.plan(0)], axis=0)
        return float(totals[0] / totals[1])

    @property
    def weights(self) -> Arrays:
        """Of the network."""
        return tuple(self._network.saved.get_weights())

    @property
    def variables(self) -> Arrays:
        """All that a further epoch depends on: weights, the optimizer's, and the state of the dropouts."""
        return tuple(variable.numpy() for variable in self._all())

    @variables.setter
    def variables(self, values: Arrays) -> None:
        for variable, value in zip(self._all(), values, strict=True):
            variable.assign(value)

    def save(self, weights: Arrays, model_file: Path) -> None:
        """Writes the network with these weights, and the scale of the labels folded into them."""
        self._network.saved.set_weights(list(weights))
        kernel, bias = self._network.last.get_weights()
        self._network.last.set_weights([kernel * self._scale.deviation, bias * self._scale.deviation + self._scale.mean])
        self._network.saved.save(model_file)

    def _all(self) -> list[Any]:
        return [*self._network.trained.variables, *self._optimizer.variables]

    def _totals(self, step: Any, batches: TrainingBatches, members: Members) -> NDArray[np.float64]:
        """The sums of loss times weight and of the weights."""
        inputs, targets, weights = batches.batch(members)
        scaled = (targets - self._scale.mean) / self._scale.deviation
        found: NDArray[np.float32] = step(tuple(map(tf.constant, inputs)), tf.constant(scaled), tf.constant(weights)).numpy()
        return found.astype(np.float64)

    def _one_step(self, inputs: Any, targets: Any, weights: Any) -> Any:
        variables = self._network.trained.trainable_variables
        with tf.GradientTape() as tape:
            totals = self._weighed(self._network.trained(list(inputs), training=True), targets, weights)
            loss = totals[0] / totals[1]
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        return totals

    def _total_loss(self, inputs: Any, targets: Any, weights: Any) -> Any:
        return self._weighed(self._network.trained(list(inputs), training=False), targets, weights)

    def _weighed(self, outputs: Any, targets: Any, weights: Any) -> Any:
        if self._is_classifier:
            losses = keras.losses.categorical_crossentropy(targets, outputs)
        else:
            # Where there is no target, whatever the network says is right.
            there = tf.math.is_finite(targets)
            counts = tf.reduce_sum(tf.cast(there, tf.float32), axis=1)
            losses = tf.reduce_sum(tf.square(outputs - tf.where(there, targets, outputs)), axis=1) / tf.maximum(counts, 1)
        return tf.stack([tf.reduce_sum(losses * weights), tf.reduce_sum(weights)])


def _label_scale(targets: NDArray[np.float32], task: Task) -> _LabelScale:
    outputs = targets.shape[1]
    if task is not Task.REGRESSION:
        # Classes are 0 or 1, and the values of the next step are scaled as the inputs are.
        return _LabelScale(np.zeros(outputs, np.float32), np.ones(outputs, np.float32))
    deviation = targets.std(axis=0)
    return _LabelScale(targets.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32))


def _best(history: tuple[Epoch, ...]) -> int:
    """The number of the first epoch with the least loss on what is held out, else of the last."""
    losses = [epoch.held_out_loss for epoch in history if epoch.held_out_loss is not None]
    return 1 + losses.index(min(losses)) if losses else len(history)


def _is_over(history: tuple[Epoch, ...], epochs: int) -> bool:
    patience = max(_LEAST_PATIENCE, epochs // 4)
    return len(history) >= epochs or (bool(history) and len(history) - _best(history) >= patience)

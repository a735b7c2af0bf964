"""The model and its fitting: Masking -> LSTM -> Dense. The only training module that runs Keras; it knows arrays, no windows.

The model is fitted on inputs and labels of about unit size, and the factors are then folded into its weights: the model that
is saved takes the contract's inputs and answers in the label's unit. Rejected: layers that scale, which would have to be
proven to keep the mask, and cost at each score.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.quiet import quiet_stderr
from pipeline.training.batches import TrainingBatches
from pipeline.training.dataset import PADDING_VALUE, Examples
from pipeline.training.metrics import Epoch
from pipeline.training.recipe import Recipe, Task

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
with quiet_stderr():
    import keras  # type: ignore[import-untyped]
    import tensorflow as tf  # type: ignore[import-untyped]

_LEAST_PATIENCE = 3


class Fitted(NamedTuple):
    """A saved model, and how it came about."""

    epochs: int
    best_epoch: int  # the one whose weights were kept, from 1


class _Scales(NamedTuple):
    """What the model does not see: inputs are divided by `inputs`, labels are `mean` + `deviation` times its answer."""

    inputs: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


class _Networks(NamedTuple):
    fitted: Any  # with dropout
    saved: Any  # the same layers without
    lstm: Any
    dense: Any


def fit_model(training: Examples, held_out: Examples, recipe: Recipe, model_file: Path, on_epoch: Callable[[Epoch], None]) -> Fitted:
    """Fits a model and saves it, with the weights of the epoch that was best on the held-out examples.

    On one machine equal arguments give equal weights.
    """
    keras.utils.set_random_seed(recipe.seed)
    scales = _scales(training, recipe.task)
    batches = TrainingBatches(_scaled(training, scales), recipe.batch_size, recipe.seed)
    checks = TrainingBatches(_scaled(held_out, scales), recipe.batch_size, recipe.seed)
    networks = _networks(*batches.widths, recipe)
    epochs = recipe.epochs_of(len(batches))
    schedule = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, epochs * len(batches))
    networks.fitted.compile(
        keras.optimizers.Adam(schedule, clipnorm=1.0),
        loss="mse" if recipe.task is Task.REGRESSION else "categorical_crossentropy",
        # XLA would compile for each shape of batch anew.
        jit_compile=False,
    )
    stopping = keras.callbacks.EarlyStopping(patience=max(_LEAST_PATIENCE, epochs // 4), restore_best_weights=True)
    history = networks.fitted.fit(
        _stream(batches),
        validation_data=_stream(checks),
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=[stopping, _reporter(epochs, on_epoch)],
    )
    _fold(networks, scales)
    networks.saved.save(model_file)
    return Fitted(len(history.epoch), 1 + int(np.argmin(history.history["val_loss"])))


def _networks(columns: int, outputs: int, recipe: Recipe) -> _Networks:
    inputs = keras.Input((None, columns), name="steps")
    lstm = keras.layers.LSTM(recipe.units, name="lstm")
    dense = keras.layers.Dense(outputs, activation="softmax" if recipe.task is Task.CLASSIFICATION else None, name="outputs")
    last = lstm(keras.layers.Masking(PADDING_VALUE, name="masking")(inputs))
    fitted = keras.Model(inputs, dense(keras.layers.Dropout(recipe.dropout)(last)))
    return _Networks(fitted, keras.Model(inputs, dense(last)), lstm, dense)


def _scales(training: Examples, task: Task) -> _Scales:
    def or_one(size: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(size > 0, size, 1).astype(np.float32)

    # Sensor values have unit size already; seconds since the step before may have any.
    inputs = or_one(np.sqrt(np.square(training.inputs, dtype=np.float64).mean(axis=0)))
    if task is Task.CLASSIFICATION:
        outputs = training.targets.shape[1]
        return _Scales(inputs, np.zeros(outputs, np.float32), np.ones(outputs, np.float32))
    return _Scales(inputs, training.targets.mean(axis=0), or_one(training.targets.std(axis=0)))


def _scaled(examples: Examples, scales: _Scales) -> Examples:
    targets = (examples.targets - scales.mean) / scales.deviation
    return Examples(examples.inputs / scales.inputs, examples.lengths, targets)


def _fold(networks: _Networks, scales: _Scales) -> None:
    """The weights that do to the inputs and labels as they are what these do to the scaled ones."""
    kernel, recurrent_kernel, bias = networks.lstm.get_weights()
    networks.lstm.set_weights([kernel / scales.inputs[:, None], recurrent_kernel, bias])
    kernel, bias = networks.dense.get_weights()
    networks.dense.set_weights([kernel * scales.deviation, bias * scales.deviation + scales.mean])


def _stream(batches: TrainingBatches) -> Any:
    """A data set that gives the batches of one more epoch each time it is gone through."""
    columns, outputs = batches.widths
    signature = (tf.TensorSpec((None, None, columns), tf.float32), tf.TensorSpec((None, outputs), tf.float32))
    stream = tf.data.Dataset.from_generator(batches.epoch, output_signature=signature)
    return stream.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(2)


def _reporter(epochs: int, on_epoch: Callable[[Epoch], None]) -> Any:
    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda index, logs: on_epoch(Epoch(index + 1, epochs, float(logs["loss"]), float(logs["val_loss"])))
    )

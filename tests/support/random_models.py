"""Random Keras models over the layers that are translated to ONNX, and ragged windows for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.scoring.engine import Floats, Inputs, ModelInput, ModelSignature
from pipeline.scoring.keras_engine import keras
from pipeline.scoring.probe import Made
from tests.support.random_parts import CAUSAL, CAUSAL_REDUCTIONS, POINTWISE, REDUCTIONS, SEQUENCES, WEIGHED, activation, pick

layers = keras.layers
VOCABULARY = 7
LENGTHS = (1, 2, 5, 13, 24)


class RandomModel(NamedTuple):
    """A model, what it takes and gives, and windows of `LENGTHS` steps."""

    keras: Any
    signature: ModelSignature
    windows: list[Made]
    whole: int  # of its outputs are per window; the others are per step

    @property
    def layers(self) -> list[str]:
        """The classes of its layers, for the message of a failure."""
        return [type(layer).__name__ for layer in self.keras.layers]

    def alone(self, window: Made) -> Floats:
        """What Keras gives for a window alone, without padding: its outputs, then the numbers of its steps."""
        found = keras.tree.flatten(self.keras([steps[None] for steps in window.inputs], training=False))
        per_step = [np.asarray(output).reshape(window.length, -1) for output in found[self.whole :]]
        whole = [np.asarray(output).ravel() for output in found[: self.whole]]
        return np.concatenate([*whole, np.concatenate(per_step, axis=1).ravel()] if per_step else whole)


def random_model(seed: int, causal: bool = False) -> RandomModel:
    """A front for each input, some layers that give sequences, one that gives a vector, and a head; the same for a seed.

    A causal one only looks back.
    """
    random = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    inputs, x = _front(random)
    for _ in range(random.integers(0, 4)):
        x = pick(random, CAUSAL if causal else SEQUENCES)(random, x)
    steps: list[Any] = []
    if causal or random.random() < 0.7:
        x = pick(random, CAUSAL_REDUCTIONS if causal else REDUCTIONS)(random, x)
    else:
        steps.append(layers.Dense(2)(x))
        x, weights = pick(random, WEIGHED)(random, x)
        steps.append(weights)
    if random.random() < 0.4:
        # Keras's Softmax cannot be given a sequence with a mask.
        x = layers.Softmax()(x) if random.random() < 0.1 else pick(random, POINTWISE)(random, x)
    outputs = [layers.Dense(int(random.integers(1, 4)))(x)]
    if random.random() < 0.3:
        outputs.append(layers.Dense(2, activation=activation(random))(x))
    model = keras.Model(inputs, [*outputs, *steps])
    _shake(random, model)
    signature = ModelSignature(
        inputs=tuple(_described(tensor) for tensor in inputs),
        fixed_length=None,
        outputs=tuple(f"y{column}" for column in range(sum(output.shape[-1] for output in outputs))),
        step_outputs=("a", "b", "weight")[: 3 * bool(steps)],
    )
    return RandomModel(model, signature, [_window(random, signature, length) for length in LENGTHS], len(outputs))


def _front(random: np.random.Generator) -> tuple[list[Any], Any]:
    """Inputs, of numbers, of codes or both in any order, and the sequence they are put together to."""
    kinds = pick(random, (("float",), ("float",), ("codes",), ("float", "codes"), ("codes", "float"), ("codes", "float", "codes")))
    inputs, sequences = [], []
    for kind in kinds:
        features = int(random.integers(1, 5))
        if kind == "codes":
            inputs.append(keras.Input((None,), dtype="int32"))
            sequences.append(layers.Embedding(VOCABULARY, features, mask_zero=True)(inputs[-1]))
        else:
            inputs.append(keras.Input((None, features)))
            sequences.append(layers.Masking(float(random.choice([0, -1])))(inputs[-1]))
    return inputs, sequences[0] if len(sequences) == 1 else layers.Concatenate()(sequences)


def _described(tensor: Any) -> ModelInput:
    return ModelInput(tensor.name, vocabulary=VOCABULARY) if len(tensor.shape) == 2 else ModelInput(tensor.name, tensor.shape[-1])


def _window(random: np.random.Generator, signature: ModelSignature, length: int) -> Made:
    spread = random.choice([0.3, 3])

    def steps(given: ModelInput) -> Inputs:
        if given.vocabulary is not None:
            return random.integers(1, given.vocabulary, length, np.int32)
        return random.normal(0, spread, (length, given.features)).astype(np.float32)

    return Made(tuple(steps(given) for given in signature.inputs))


def _shake(random: np.random.Generator, model: Any) -> None:
    """Weights as after training: biases are not 0, variances not 1."""
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        value = np.asarray(weight) + random.normal(0, 0.1, weight.shape)
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.path else value)

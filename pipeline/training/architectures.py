"""The networks that a recipe can name, in plain Keras. Knows neither windows nor how weights are found.

All keep to the mask: padding changes no score. Rejected: a decay of unobserved values (GRU-D); a layer of our own would have to be
there wherever the model is loaded, and the channels say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.scoring.keras_engine import keras
from pipeline.training.dataset import PADDING_VALUE
from pipeline.training.recipe import Architecture, Cell, Task

layers = keras.layers


class Shape(NamedTuple):
    """What goes in and comes out."""

    columns: int  # of the float input; 0: there is none
    vocabularies: Sequence[int]  # of each input of codes
    outputs: int


class Network(NamedTuple):
    """A network, twice: what is trained has dropout, what is saved has the same layers without, and the weights of the steps."""

    trained: Any
    saved: Any
    last: Any  # the Dense layer that gives the outputs


def build(architecture: Architecture, shape: Shape, task: Task) -> Network:
    """The network, with the weights that Keras's random seed gives."""
    inputs, sequence = _inputs(shape, architecture.embedding)
    # Left out for the whole window: what a sensor that has died looks like.
    thinned = layers.SpatialDropout1D(architecture.input_dropout)(sequence) if architecture.input_dropout else sequence
    recurrent = [_recurrent(architecture, depth) for depth in range(len(architecture.units))]
    pooling = _attention(architecture.units[-1] * (2 if architecture.bidirectional else 1)) if architecture.attention else None
    dense = [layers.Dense(units, activation="relu", name=f"dense_{depth + 1}") for depth, units in enumerate(architecture.dense)]
    last = layers.Dense(shape.outputs, activation="softmax" if task is Task.CLASSIFICATION else None, name="outputs")

    def outputs(values: Any, dropout: float) -> tuple[Any, Any]:
        """The outputs, and the weights of the steps where there are any."""
        for layer in recurrent:
            values = layer(values)
            values = layers.Dropout(dropout)(values) if dropout else values
        values, weights = (values, None) if pooling is None else pooling(values)
        for layer in dense:
            values = layer(values)
        return last(values), weights

    trained, _ = outputs(thinned, architecture.dropout)
    saved, weights = outputs(sequence, 0)
    return Network(keras.Model(inputs, trained), keras.Model(inputs, saved if weights is None else [saved, weights]), last)


def _inputs(shape: Shape, embedding: int) -> tuple[list[Any], Any]:
    """The inputs, and one masked sequence made of them."""
    inputs, parts = [], []
    if shape.columns:
        inputs.append(keras.Input((None, shape.columns), name="steps"))
        parts.append(layers.Masking(PADDING_VALUE, name="masking")(inputs[0]))
    for number, vocabulary in enumerate(shape.vocabularies, start=1):
        inputs.append(keras.Input((None,), dtype="int32", name=f"codes_{number}"))
        parts.append(layers.Embedding(vocabulary, embedding, mask_zero=True, name=f"embedding_{number}")(inputs[-1]))
    return inputs, parts[0] if len(parts) == 1 else layers.Concatenate(name="together")(parts)


def _recurrent(architecture: Architecture, depth: int) -> Any:
    kind = layers.LSTM if architecture.cell is Cell.LSTM else layers.GRU
    whole_sequence = architecture.attention or depth < len(architecture.units) - 1
    layer = kind(architecture.units[depth], return_sequences=whole_sequence, name=f"{architecture.cell}_{depth + 1}")
    return layers.Bidirectional(layer, name=f"bidirectional_{depth + 1}") if architecture.bidirectional else layer


def _attention(units: int) -> Any:
    """From a masked sequence to (its weighted sum, the weights: windows x steps x 1).

    The mean of all steps asks how much each matters (Bahdanau et al. 2015, with the mean in place of a decoder's state). The
    layers heed the mask, which an ordinary Softmax over the steps would not.
    """
    question, keys = layers.Dense(units, name="question"), layers.Dense(units, use_bias=False, name="keys")
    mean, one_step = layers.GlobalAveragePooling1D(name="mean"), layers.Reshape((1, units), name="one_step")
    attention, flat = layers.AdditiveAttention(name="weigh"), layers.Flatten(name="weighted_sum")
    by_step = layers.Permute((2, 1), name="attention")

    def pooled(sequence: Any) -> tuple[Any, Any]:
        query = one_step(question(mean(sequence)))
        found, weights = attention([query, sequence, keys(sequence)], return_attention_scores=True)
        return flat(found), by_step(weights)

    return pooled

"""Which function translates which layer. Layers are found by the name of their class, as Keras is never imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.scoring.translate import attention, merging, mixing, pointwise, recurrent

Translate = Callable[..., Any]
"""(graph, layer, then what the layer is called with, values in place of tensors) -> a value, or a list of them."""

LAYERS: dict[str, Translate] = {
    "Activation": pointwise.activation,
    "ActivityRegularization": pointwise.identity,
    "Add": merging.merged("Add"),
    "AdditiveAttention": attention.additive_attention,
    "AlphaDropout": pointwise.identity,
    "Attention": attention.attention,
    "Average": merging.merged("Add", average=True),
    "BatchNormalization": pointwise.batch_normalization,
    "Bidirectional": recurrent.bidirectional,
    "Concatenate": merging.concatenate,
    "Dense": pointwise.dense,
    "Dot": mixing.dot,
    "Dropout": pointwise.identity,
    "ELU": pointwise.elu,
    "Embedding": mixing.embedding,
    "Flatten": mixing.flatten,
    "GRU": recurrent.recurrent,
    "GaussianDropout": pointwise.identity,
    "GaussianNoise": pointwise.identity,
    "GlobalAveragePooling1D": mixing.average_pooling,
    "GlobalMaxPooling1D": mixing.max_pooling,
    "Identity": pointwise.identity,
    "LSTM": recurrent.recurrent,
    "LayerNormalization": pointwise.layer_normalization,
    "LeakyReLU": pointwise.leaky_relu,
    "Masking": mixing.masking,
    "Maximum": merging.merged("Max"),
    "Minimum": merging.merged("Min"),
    "MultiHeadAttention": attention.multi_head_attention,
    "Multiply": merging.merged("Mul"),
    "Normalization": pointwise.normalization,
    "ReLU": pointwise.relu,
    "Rescaling": pointwise.rescaling,
    "Reshape": mixing.reshape,
    "SimpleRNN": recurrent.recurrent,
    "Softmax": mixing.softmax,
    "SpatialDropout1D": pointwise.identity,
    "Subtract": merging.merged("Sub"),
}

OPERATIONS: dict[str, Translate] = {
    "Add": merging.binary("Add"),
    "Divide": merging.binary("Div"),
    "GetItem": merging.item,
    "Max": merging.max_over,
    "Mean": merging.mean_over,
    "Multiply": merging.binary("Mul"),
    "Subtract": merging.binary("Sub"),
    "Sum": merging.sum_over,
    "TrueDivide": merging.binary("Div"),
}
"""Operators of `keras.ops`, which have names of their own."""

POINTWISE = frozenset(name for name, translate in LAYERS.items() if translate.__module__ == pointwise.__name__)
"""Layers that TimeDistributed may apply to each step: they do the same to a sequence as a whole."""

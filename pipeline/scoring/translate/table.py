"""Which function translates which layer. Layers are found by the name of their class, as Keras is never imported here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.scoring.translate import arranging, attention, convolving, merging, mixing, pointwise, recurrent

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
    "Conv1D": convolving.conv1d,
    "Dense": pointwise.dense,
    "Dot": mixing.dot,
    "Dropout": pointwise.identity,
    "ELU": pointwise.elu,
    "Embedding": mixing.embedding,
    "Flatten": arranging.flatten,
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
    "Permute": arranging.permute,
    "ReLU": pointwise.relu,
    "RepeatVector": arranging.repeat_vector,
    "Rescaling": pointwise.rescaling,
    "Reshape": arranging.reshape,
    "SimpleRNN": recurrent.recurrent,
    "Softmax": mixing.softmax,
    "SpatialDropout1D": pointwise.identity,
    "Subtract": merging.merged("Sub"),
}

OPERATIONS: dict[str, Translate] = {
    "Add": merging.binary("Add"),
    "Concatenate": merging.concatenate,
    "Divide": merging.binary("Div"),
    "Exp": pointwise.applied("exponential"),
    "ExpandDims": arranging.expand_dims,
    "GetItem": arranging.item,
    "Matmul": mixing.matmul,
    "Max": merging.max_over,
    "Mean": merging.mean_over,
    "Multiply": merging.binary("Mul"),
    "Relu": pointwise.applied("relu"),
    "Sigmoid": pointwise.applied("sigmoid"),
    "Softmax": mixing.softmax,
    "Squeeze": arranging.squeeze,
    "Subtract": merging.binary("Sub"),
    "Sum": merging.sum_over,
    "Swapaxes": arranging.swap_axes,
    "Tanh": pointwise.applied("tanh"),
    "Transpose": arranging.transpose,
    "TrueDivide": merging.binary("Div"),
}
"""Operators of `keras.ops`, which have names of their own."""

POINTWISE = frozenset(name for name, translate in LAYERS.items() if translate.__module__ == pointwise.__name__)
"""Layers that TimeDistributed may apply to each step: they do the same to a sequence as a whole."""

ANY_AXES = frozenset(
    {"Activation", "Dot", "Dropout", "Embedding", "Flatten", "Identity", "Permute", "RepeatVector", "Reshape", "Softmax"}
    | {"Add", "Divide", "Multiply", "Subtract", "TrueDivide"}
    | OPERATIONS.keys() - {"Concatenate"}
)
"""What may be given a sequence whose steps are another axis than the first, or the last one; others would take them for features."""

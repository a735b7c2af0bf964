"""What a Keras model takes and gives, read from the model; refused where it cannot be scored. Knows Keras by its objects only.

A model takes at most one float input (windows x steps x features) behind a Masking, and any number of code inputs (windows x
steps), each into an Embedding with mask_zero; all have the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.errors import ModelRefused
from pipeline.scoring.engine import ModelInput, ModelSignature
from pipeline.scoring.masks import unusable_softmax

_RANKS = "a model takes (batch, time, features), or (batch, time) of codes into an Embedding(mask_zero=True)"


def read_signature(model: Any) -> ModelSignature:
    """The signature of a model. Raises `ModelRefused` that says what to change."""
    shapes = _input_shapes(model)
    fixed_length = _fixed_length(shapes)
    if softmax := unusable_softmax(model):
        raise ModelRefused(softmax)
    inputs = tuple(_input(model, place, shape) for place, shape in enumerate(shapes))
    for layer in layers_of(model):
        if layer.compute_dtype not in ("float32", "float64"):
            raise ModelRefused(
                f"layer {layer.name} computes in {layer.compute_dtype}; scores agree to 1e-5 only in float32: save it with that policy"
            )
    outputs, step_outputs = _outputs(model)
    return ModelSignature(inputs, fixed_length, outputs, step_outputs)


def layers_of(model: Any) -> Iterator[Any]:
    """Layers in the order of the model, those of nested models in their place."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_of(layer)
        elif not is_a(layer, "InputLayer"):
            yield layer


def is_a(layer: Any, name: str) -> bool:
    """Whether it is of Keras's class of that name."""
    return any(kind.__name__ == name and kind.__module__.startswith("keras.") for kind in type(layer).__mro__)


def first_calls(model: Any, tensor: Any) -> Iterator[Any]:
    """The layers that are given an input of the model as it is; those of nested models too."""
    functional = getattr(model, "_functional", model)
    for operation in functional.operations:
        for node in operation._inbound_nodes:
            for place, given in enumerate(node.input_tensors):
                if given is not tensor:
                    continue
                if hasattr(operation, "layers"):
                    yield from first_calls(operation, operation.inputs[place])
                else:
                    yield operation


def layer_before_mask(model: Any) -> Any:
    """The layer that sees an input's padding before the mask does, if any."""
    for tensor in model.inputs:
        calls = list(first_calls(model, tensor))
        if not any(is_a(layer, "Masking") or is_a(layer, "Embedding") for layer in calls):
            return next(iter(calls), None)
    return None


def is_step_output(model: Any, output: Any) -> bool:
    """Whether an output of the model has one number, or one row of them, for each step of a window."""
    steps, shape = _fixed_length([tensor.shape for tensor in model.inputs]), tuple(output.shape)
    if len(shape) not in (2, 3) or shape[1] != steps or None in shape[2:]:
        return False
    # A model of 20 steps may also give 20 numbers per window.
    return steps is None or len(shape) == 3 or _is_flattened(output, steps)


def _is_flattened(output: Any, steps: int) -> bool:
    """Whether windows x steps comes of windows x steps x 1, by nothing but other shapes and activations."""
    while tuple(output.shape) == (None, steps):
        operation, node_index, _ = output._keras_history
        given = operation._inbound_nodes[node_index].input_tensors
        if getattr(operation, "weights", None) or len(given) != 1:
            return False
        output = given[0]
    return tuple(output.shape) == (None, steps, 1)


def _input_shapes(model: Any) -> list[tuple[int | None, ...]]:
    shapes: list[tuple[int | None, ...]] = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or []]
    if not shapes:
        raise ModelRefused(f"the model has no inputs; {_RANKS}")
    for shape in shapes:
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] is None):
            raise ModelRefused(f"the model's input is {shape}; {_RANKS}")
        if shape[0] is not None:
            raise ModelRefused(f"the model takes batches of {shape[0]} only (stateful?); give its input no batch size")
    floats = [str(tensor.name) for tensor, shape in zip(model.inputs, shapes, strict=True) if len(shape) == 3]
    if len(floats) > 1:
        columns = sum(shape[2] or 0 for shape in shapes if len(shape) == 3)
        raise ModelRefused(
            f"the model has {len(floats)} inputs of features ({', '.join(floats)}), and at most 1 can be fed; "
            f"make them one input of (None, {columns}), in the order of the sensors, and split it behind the Masking"
        )
    return shapes


def _fixed_length(shapes: Sequence[Sequence[int | None]]) -> int | None:
    lengths = sorted({shape[1] for shape in shapes if shape[1] is not None})
    if len(lengths) > 1:
        raise ModelRefused(f"the model's inputs take {' and '.join(map(str, lengths))} steps; give them all the same, or None")
    return lengths[0] if lengths else None


def _input(model: Any, place: int, shape: Sequence[int | None]) -> ModelInput:
    tensor = model.inputs[place]
    which = "the model" if len(model.inputs) == 1 else f"the model's input {tensor.name}"
    if len(shape) == 2:
        return _code_input(model, tensor, which, shape)
    mask = next((layer for layer in layers_of(model) if is_a(layer, "Masking")), None)
    # Also beside codes that are masked: Keras takes for real, where it concatenates, what is real in one part.
    if mask is None:
        raise ModelRefused(f"{which} has no mask, so padding would change its scores; begin it with Masking and train it again")
    return ModelInput(str(tensor.name), int(shape[2] or 0), float(mask.mask_value))


def _code_input(model: Any, tensor: Any, which: str, shape: Sequence[int | None]) -> ModelInput:
    first = list(first_calls(model, tensor))
    if any(is_a(layer, "Masking") for layer in first):
        given = f"(batch, {shape[1]})"
        raise ModelRefused(f"the model's Masking is given {given} and masks whole windows; it takes (batch, {shape[1]}, 1), one row a step")
    embeddings = [layer for layer in layers_of(model) if is_a(layer, "Embedding")] if len(model.inputs) == 1 else first
    embedding = next((layer for layer in embeddings if is_a(layer, "Embedding") and layer.mask_zero), None)
    if embedding is None:
        remedy = "begin it with Embedding(mask_zero=True) and train it again"
        raise ModelRefused(f"{which} has no mask, so padding would change its scores; {remedy}")
    return ModelInput(str(tensor.name), vocabulary=int(embedding.input_dim))


def _outputs(model: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = _output_names(model)
    per_window: list[str] = []
    per_step: list[str] = []
    for name, output in zip(names, model.outputs, strict=True):
        if is_step_output(model, output):
            per_step += _columns(name, output.shape[2:])
        elif len(output.shape) > 2 or None in output.shape[1:]:
            shape = tuple(output.shape)
            remedy = "it must be one row of numbers per window (return_sequences=False), or per step"
            raise ModelRefused(f"the model's output {name} is {shape}; {remedy}")
        else:
            per_window += _columns(name, output.shape[1:])
    if not per_window:
        raise ModelRefused(
            f"the model's output {', '.join(names)} is per step; a score is one row of numbers per window (return_sequences=False)"
        )
    return tuple(per_window), tuple(per_step)


def _output_names(model: Any) -> list[str]:
    """By the keys of a model that gives a dict, else by its layers: of the former Keras only knows the layers' names."""
    given = getattr(getattr(model, "_functional", model), "_outputs_struct", None)
    if isinstance(given, dict) and {id(output) for output in given.values()} == {id(output) for output in model.outputs}:
        return [next(key for key, output in given.items() if output is wanted) for wanted in model.outputs]
    return getattr(model, "output_names", None) or [model.layers[-1].name]


def _columns(name: str, sizes: Sequence[int]) -> list[str]:
    columns = int(np.prod(sizes))
    return [name] if columns == 1 else [f"{name}_{column}" for column in range(columns)]

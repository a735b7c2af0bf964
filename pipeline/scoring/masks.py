"""Where a Keras model loses its mask, and what to do about it. Knows Keras by its objects only and never imports it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

_MERGING = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}
_POOLING = {"AveragePooling1D", "Dot", "GlobalMaxPooling1D", "MaxPooling1D"}


def nodes(model: Any) -> Iterator[Any]:
    """Each call of a layer or operation, in Keras's order; a nested model is one call."""
    by_depth = getattr(model, "_functional", model)._nodes_by_depth
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if not node.is_input)


def unusable_softmax(model: Any) -> str | None:
    """What is wrong with a Softmax that is given a masked sequence: it builds, and fails on the first batch."""
    for node in nodes(model):
        layer = node.operation
        masked = any(getattr(tensor, "_keras_mask", None) is not None for tensor in node.input_tensors)
        if type(layer).__name__ == "Softmax" and masked and ".ops." not in type(layer).__module__ and not _is_given_mask(node):
            return f"{_named(layer)} cannot take the mask of a sequence; weigh the steps with Attention and GlobalAveragePooling1D"
    return None


def _is_given_mask(node: Any) -> bool:
    """Whether the call names a mask for each number, as Keras's own, one for each step, is of a lower rank."""
    mask = node.arguments.kwargs.get("mask")
    return mask is not None and len(mask.shape) == len(node.input_tensors[0].shape)


def lost_mask(model: Any, batches: Sequence[Any]) -> str | None:
    """Which call loses the mask on a batch (a tensor for each input), and the remedy, as half a sentence; None: none does.

    The batch is run, as Keras's own record of masks is not what happens: MultiHeadAttention takes the mask off its input.
    """
    functional = getattr(model, "_functional", model)
    return _lost(functional, {id(given): batch for given, batch in zip(functional.inputs, batches, strict=True)})


def _lost(functional: Any, tensors: dict[int, Any]) -> str | None:
    needed = _needed(functional)
    for node in nodes(functional):
        arguments, named = node.arguments.fill_in(tensors)
        given = _flat(arguments)
        # What a call is given is looked at before it is made: it may take a mask away.
        masks = [_has_mask(tensor) for tensor in given]
        if any(masks) and hasattr(node.operation, "layers"):
            inner = getattr(node.operation, "_functional", node.operation)
            inside = _lost(inner, {id(tensor): value for tensor, value in zip(inner.inputs, given, strict=True)})
            if inside:
                return inside
        outputs = _flat(node.operation(*arguments, **named))
        if id(node) in needed and any(masks) and not any(map(_has_mask, outputs)) and not _takes_mask(node.operation):
            return _remedy(node.operation, all(masks))
        tensors.update((id(symbolic), output) for symbolic, output in zip(node.outputs, outputs, strict=True))
    return None


def _needed(functional: Any) -> set[int]:
    """Identities of the calls that the outputs are made of; those that Keras merges masks with are calls too."""
    needed: set[int] = set()
    tensors = list(functional.outputs)
    while tensors:
        operation, node_index, _ = tensors.pop()._keras_history
        node = operation._inbound_nodes[node_index]
        if id(node) not in needed:
            needed.add(id(node))
            masks = {id(given) for name, argument in node.arguments.kwargs.items() if "mask" in name for given in _flat(argument)}
            tensors += [given for given in node.input_tensors if id(given) not in masks]
    return needed


def _remedy(operation: Any, all_masked: bool) -> str:
    if type(operation).__name__ in _MERGING and not all_masked:
        taken = "drops the mask, as one of its inputs has none: MultiHeadAttention takes it off its own input"
        return f"its {_named(operation)} {taken}; give the attention LayerNormalization()(x) instead of x"
    if ".ops." in type(operation).__module__:
        return f"its {_named(operation)} drops the mask, as all of keras.ops do; use layers, and pool with GlobalAveragePooling1D"
    if type(operation).__name__ in _POOLING:
        return f"its {_named(operation)} pools padding too; use GlobalAveragePooling1D, which keeps to the mask"
    return f"its {_named(operation)} drops the mask; use one that keeps it, or put it after the last LSTM"


def _named(operation: Any) -> str:
    kind = "operation" if ".ops." in type(operation).__module__ else "layer"
    return f"{kind} {operation.name} ({type(operation).__name__})"


def _takes_mask(operation: Any) -> bool:
    return "mask" in inspect.signature(operation.call).parameters


def _has_mask(tensor: Any) -> bool:
    return getattr(tensor, "_keras_mask", None) is not None


def _flat(outputs: Any) -> list[Any]:
    return [item for output in outputs for item in _flat(output)] if isinstance(outputs, list | tuple) else [outputs]

"""LSTM, GRU, SimpleRNN and Bidirectional, with the operators' own `sequence_lens` in place of masks.

Where windows grow, an operator begins with the states that it was left with, and a layer that gives its last output gives the
output after each step. A sequence length of 0 would set the states to 0: every window has at least one step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.scoring.translate.graph import LENGTHS, Graph, Operand
from pipeline.scoring.translate.values import Untranslatable, Value

# ONNX's name and parameters of what Keras calls by the key (https://onnx.ai/onnx/operators/onnx__LSTM.html).
_ACTIVATIONS: dict[str, tuple[str, float | None, float | None]] = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "elu": ("Elu", 1.0, None),
    "softsign": ("Softsign", None, None),
    "softplus": ("Softplus", None, None),
}


class _Cell(NamedTuple):
    """An operator with its weights, and which of Keras's activations its functions are, in order."""

    operator: str
    weights: tuple[NDArray[np.float32], ...]  # W, R, B
    functions: tuple[str, ...]
    attributes: dict[str, int]


class _Ran(NamedTuple):
    """`sequence` lies as the input does, whichever way the layer ran."""

    sequence: str  # steps x windows x units, "" where not asked for
    states: list[str]  # windows x units, as after the last step that the layer saw


def recurrent(graph: Graph, layer: Any, x: Value) -> Value | list[Value | Untranslatable]:
    """An LSTM, GRU or SimpleRNN; with return_state its states too."""
    ran = _run(graph, layer, x)
    units = (layer.units,)
    if graph.growing:
        found = Value(ran.sequence, layer.return_sequences, units)
        unknown = Untranslatable(layer, "gives its inner state, which is not known after each step")
        given: list[Value | Untranslatable] = [found, replace(found, steps=False), unknown]
        return given[: 1 + _states(layer)] if layer.return_state else found
    if not layer.return_sequences:
        found = Value(ran.states[0], steps=False, shape=units)
    elif layer.go_backwards:
        # Keras leaves the outputs in the order in which it made them: the last step's first.
        lengths = graph.cast(LENGTHS, np.int64)
        found = Value(graph.add("ReverseSequence", ran.sequence, lengths, time_axis=0, batch_axis=1), steps=True, shape=units)
    else:
        found = Value(ran.sequence, steps=True, shape=units)
    return [found, *(Value(state, steps=False, shape=units) for state in ran.states)] if layer.return_state else found


def bidirectional(graph: Graph, layer: Any, x: Value) -> Value | list[Value | Untranslatable]:
    forward, backward = layer.forward_layer, layer.backward_layer
    if forward.go_backwards or forward.return_state or not backward.go_backwards:
        raise Untranslatable(layer, "runs backwards first, or returns its states, which has no translation")
    graph.require_whole_windows()
    sides: list[Value] = []
    for side in (forward, backward):
        ran = _run(graph, side, x)
        sides.append(Value(ran.sequence if side.return_sequences else ran.states[0], side.return_sequences, (side.units,)))
    if layer.merge_mode is None:
        return [*sides]
    names, value = [side.name for side in sides], sides[0]
    match layer.merge_mode:
        case "concat":
            return Value(graph.add("Concat", *names, axis=-1), value.steps, (forward.units + backward.units,))
        case "sum":
            return Value(graph.add("Add", *names), value.steps, value.shape)
        case "mul":
            return Value(graph.add("Mul", *names), value.steps, value.shape)
        case "ave":
            return Value(graph.add("Mul", graph.add("Add", *names), np.array(0.5, np.float32)), value.steps, value.shape)
    raise Untranslatable(layer, f"has merge_mode {layer.merge_mode}, which has no translation")


def _run(graph: Graph, layer: Any, x: Value) -> _Ran:
    if not x.steps or len(x.shape) != 1:
        raise Untranslatable(layer, "runs over something else than the window's steps")
    if type(layer).__name__ not in _CELLS or layer.stateful:
        raise Untranslatable(layer, "has no translation")
    cell = _CELLS[type(layer).__name__](layer)
    number = _states(layer)
    if layer.go_backwards:
        graph.require_whole_windows()
    initial = [graph.initial_state(layer.units) for _ in range(number)] if graph.growing else []
    wants_states = graph.growing or layer.return_state or not layer.return_sequences
    wants_all = graph.growing or layer.return_state
    wanted = [graph.growing or layer.return_sequences, wants_states, *([wants_all] if number == 2 else [])]
    attributes = cell.attributes | _functions(layer, cell.functions) | {"direction": "reverse" if layer.go_backwards else "forward"}
    operands: tuple[Operand, ...] = (x.name, *cell.weights, LENGTHS, *initial)
    sequence, *states = graph.add_outputs(cell.operator, operands, wanted, hidden_size=layer.units, **attributes)
    # Both have an axis for the directions, of which there is one here.
    ran = _Ran(
        graph.add("Squeeze", sequence, np.array([1])) if sequence else "",
        [graph.add("Squeeze", state, np.array([0])) for state in states if state],
    )
    for state in ran.states if graph.growing else ():
        graph.keep_state(state)
    return ran


def _states(layer: Any) -> int:
    return 2 if type(layer).__name__ == "LSTM" else 1


def _lstm(layer: Any) -> _Cell:
    """Gates: Keras i, f, c, o (keras/src/layers/rnn/lstm.py, LSTMCell.call); ONNX i, o, f, c (its LSTM, input W)."""

    def reordered(weight: NDArray[np.float32]) -> NDArray[np.float32]:
        i, f, c, o = np.split(weight, 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1)

    kernel, recurrent_kernel, *bias = (reordered(weight) for weight in layer.get_weights())
    return _Cell("LSTM", _weights(kernel, recurrent_kernel, bias), ("recurrent_activation", "activation", "activation"), {})


def _gru(layer: Any) -> _Cell:
    """Gates: z, r, h in both (keras/src/layers/rnn/gru.py, GRUCell.call; ONNX's GRU, input W).

    With `reset_after` the reset gate is applied to the product with the recurrent kernel and its own bias, which ONNX calls
    linear_before_reset; without, to the state before the product, and there is no recurrent bias.
    """
    kernel, recurrent_kernel, *bias = layer.get_weights()
    if bias and layer.reset_after:
        bias = [bias[0][0], bias[0][1]]
    attributes = {"linear_before_reset": int(layer.reset_after)}
    return _Cell("GRU", _weights(kernel, recurrent_kernel, bias), ("recurrent_activation", "activation"), attributes)


def _simple_rnn(layer: Any) -> _Cell:
    kernel, recurrent_kernel, *bias = layer.get_weights()
    return _Cell("RNN", _weights(kernel, recurrent_kernel, bias), ("activation",), {})


_CELLS = {"LSTM": _lstm, "GRU": _gru, "SimpleRNN": _simple_rnn}


def _weights(
    kernel: NDArray[np.float32], recurrent_kernel: NDArray[np.float32], bias: list[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], ...]:
    """W, R and B for one direction; B has the bias of the input, then that of the recurrence, 0 where Keras has none."""
    biases = [*bias, *(np.zeros(kernel.shape[1], np.float32) for _ in range(2 - len(bias)))]
    return kernel.T[None], recurrent_kernel.T[None], np.concatenate(biases)[None]


def _functions(layer: Any, names: tuple[str, ...]) -> dict[str, Any]:
    config = layer.get_config()
    chosen = [config[name] for name in names]
    for activation in chosen:
        if not isinstance(activation, str) or activation not in _ACTIVATIONS:
            raise Untranslatable(layer, f"has the activation {activation}, which has no translation in a recurrent layer")
    found = [_ACTIVATIONS[activation] for activation in chosen]
    attributes: dict[str, Any] = {"activations": [name for name, _, _ in found]}
    if alphas := [alpha for _, alpha, _ in found if alpha is not None]:
        attributes["activation_alpha"] = alphas
    if betas := [beta for _, _, beta in found if beta is not None]:
        attributes["activation_beta"] = betas
    return attributes

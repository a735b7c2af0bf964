"""How a training gets on, for whoever watches it. Knows neither a model nor a screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Epoch(NamedTuple):
    """What is known after an epoch; losses are of labels of unit size (regression), or cross entropies."""

    number: int  # from 1
    epochs: int  # at most
    loss: float
    held_out_loss: float | None  # None: nothing is held out

    def shown(self) -> str:
        """One line for a person."""
        held_out = "" if self.held_out_loss is None else f", on held-out devices {self.held_out_loss:.4f}"
        return f"epoch {self.number} of {self.epochs}: loss {self.loss:.4f}{held_out}"


def _ignore(epoch: int, done: int, steps: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True)
class Watch:
    """Is told after each epoch, and after each training step: (number of the epoch, steps done in it, steps of it)."""

    on_epoch: Callable[[Epoch], None]
    on_step: Callable[[int, int, int], None] = _ignore

"""What a recipe may say, and how its parts are written on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.features import Age, Averages, Delta, DeltaPer, Value
from pipeline.errors import ConfigurationError
from pipeline.training.recipe import MAX_EPOCHS, Architecture, Fitting, Recipe, Task, parse_channels


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (Architecture, {"units": (64, 0)}, "units = 64,0: must be at least 1"),
        (Architecture, {"units": ()}, "units = : must be at least 1"),
        (Architecture, {"dense": (0,)}, "dense = 0"),
        (Architecture, {"dropout": 1.0}, "dropout = 1.0: must be from 0 to less than 1"),
        (Architecture, {"input_dropout": -0.1}, "input_dropout = -0.1"),
        (Architecture, {"embedding": 0}, "embedding = 0"),
        (Fitting, {"epochs": 0}, "epochs = 0"),
        (Fitting, {"stride": 0}, "stride = 0"),
        (Fitting, {"learning_rate": 0.0}, "learning_rate = 0.0"),
        (Fitting, {"holdout": 1.0}, "holdout = 1.0: must be a share"),
        (Fitting, {"seed": -1}, "seed = -1"),
        (Recipe, {"cap_weight": 0.5}, "cap_weight = 0.5: goes with cap only"),
        (Recipe, {"cap": 125.0, "cap_weight": 0.0}, "cap_weight = 0.0: must be more than 0"),
        (Recipe, {"balanced": True}, "goes with classification only"),
        (Recipe, {"last": 0}, "last = 0"),
        (Recipe, {"task": Task.FORECAST, "cap": 1.0}, "cap = 1.0: goes with regression only"),
        (Recipe, {"quantile": 1.0}, "quantile = 1.0"),
    ],
)
def test_a_recipe_that_trains_nothing_is_refused(kind: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kind(**wrong)


def test_channels_are_written_with_commas_between_as_are_the_numbers_of_one() -> None:
    channels = parse_channels("value, ema:10,30,delta:sensor,age/200")
    assert channels == (Value(), Averages((10, 30)), Delta(DeltaPer.SENSOR), Age(scale=200))


@pytest.mark.parametrize("text", ["value,speed", "value,value", ""])
def test_unknown_channels_and_repeated_ones_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="channel"):
        parse_channels(text)


@given(progress=st.floats(0, 1), warm_up=st.floats(0, 0.9))
def test_the_learning_rate_rises_to_its_greatest_and_falls_to_nothing(progress: float, warm_up: float) -> None:
    fitting = Fitting(learning_rate=0.5, warm_up=warm_up)
    assert 0 <= fitting.rate_at(progress) <= 0.5
    assert fitting.rate_at(warm_up) == pytest.approx(0.5)
    assert fitting.rate_at(1) == pytest.approx(0, abs=1e-12)
    assert fitting.rate_at((progress + 1) / 2) <= fitting.rate_at(max(progress, warm_up)) or (progress + 1) / 2 < warm_up


def test_few_windows_get_many_epochs_and_many_windows_few() -> None:
    assert Fitting().epochs_of(1) == MAX_EPOCHS
    assert Fitting().epochs_of(100_000) == 1
    assert Fitting(epochs=7).epochs_of(1) == 7

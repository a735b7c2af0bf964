"""Fitting the scaling of a contract to the windows of the training devices. Knows no model and no labels.

A step counts once, in however many windows it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.core.ragged import ragged
from pipeline.core.scaling import Condition, Scaling
from pipeline.errors import ConfigurationError
from pipeline.records import Window
from pipeline.scoring.contract import Contract
from pipeline.training.conditions import OperatingConditions

Floats = NDArray[np.float32]

WINDOWS_AT_ONCE = 512
_BEFORE_ALL = int(np.iinfo(np.int64).min)
_RESTARTS = 8
_ROUNDS = 100


class Fit(NamedTuple):
    """By sensor: the model sees (value - mean) / scale."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]


def fit_contract(contract: Contract, windows: Sequence[Window], wanted: OperatingConditions | None = None, seed: int = 1) -> Contract:
    """The contract with the scaling of the windows, and with operating conditions if wanted.

    Raises `ConfigurationError` for settings that the model does not see, and fewer different settings than conditions.
    """
    names = [sensor.name for sensor in contract.float_sensors]
    columns = [windows[0].sensors.index(name) for name in names]
    fitted = fit_scaling(np.concatenate([values for values, _ in _steps(windows, columns)]))
    by_name = {name: (mean, scale) for name, mean, scale in zip(names, *fitted, strict=True)}
    sensors = tuple(
        msgspec.structs.replace(sensor, mean=by_name[sensor.name][0], scale=by_name[sensor.name][1]) if sensor.name in by_name else sensor
        for sensor in contract.sensors
    )
    if wanted is None:
        return msgspec.structs.replace(contract, sensors=sensors)
    for name in wanted.settings:
        if name not in names:
            raise ConfigurationError(f"settings: {name} is none of the model's sensors that are no codes, {', '.join(names)}")
    if len(wanted.settings) == len(names):
        raise ConfigurationError(
            "settings: all of the model's sensors tell the condition; at least one must be left to see what happens under it"
        )
    settings = tuple(names.index(name) for name in wanted.settings)
    conditions = _conditions(windows, columns, Scaling(*fitted, settings), wanted.count, seed)
    return msgspec.structs.replace(contract, sensors=sensors, settings=wanted.settings, conditions=conditions)


def fit_scaling(values: Floats) -> Fit:
    """Mean and standard deviation of each sensor (rows x sensors, NaN = unobserved).

    The scale is 1 for a sensor that hardly varies: dividing by its deviation would show the model nothing but rounding. A
    sensor that is never observed has mean 0.
    """
    observed = ~np.isnan(values)
    counts = np.maximum(observed.sum(axis=0), 1)
    mean = np.where(observed, values, 0).sum(axis=0, dtype=np.float64) / counts
    deviation = np.sqrt((np.where(observed, values - mean, 0) ** 2).sum(axis=0) / counts)
    scale = np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6), deviation, 1.0)
    return Fit(tuple(mean.tolist()), tuple(scale.tolist()))


def k_means(points: Floats, count: int, seed: int) -> Floats:
    """Centres of `count` clusters (count x columns), those with most points first: the best of some runs of Lloyd's algorithm.

    Each begins with centres far from each other (k-means++, Arthur and Vassilvitskii 2007). Raises `ConfigurationError` where
    there are fewer different points (points x columns).
    """
    unique, counts = np.unique(points.astype(np.float64), axis=0, return_counts=True)
    if len(unique) < count:
        raise ConfigurationError(f"conditions = {count}: there are {len(unique)} different settings; look for at most as many conditions")
    random = np.random.default_rng(seed)
    runs = [_lloyd(unique, counts, _spread(unique, counts, count, random)) for _ in range(_RESTARTS)]
    _, centres, sizes = min(runs, key=lambda run: run[0])
    return centres[np.argsort(-sizes, kind="stable")].astype(np.float32)


def _steps(windows: Sequence[Window], columns: list[int], scaling: Scaling | None = None) -> Iterator[tuple[Floats, NDArray[np.int64]]]:
    """Values of the steps (rows x sensors) and their conditions, each step once, of some windows at a time."""
    latest: dict[str, int] = {}
    for begin in range(0, len(windows), WINDOWS_AT_ONCE):
        steps = ragged(windows[begin : begin + WINDOWS_AT_ONCE], columns)
        new = np.empty(len(steps.times), np.bool_)
        end = 0
        for window, length in zip(windows[begin : begin + WINDOWS_AT_ONCE], steps.lengths.tolist(), strict=True):
            times = steps.times[end : end + length]
            seen = latest.get(window.device, _BEFORE_ALL)
            new[end : end + length] = times > seen
            latest[window.device] = max(int(times[-1]), seen)
            end += length
        conditions = np.zeros(len(new), np.int64) if scaling is None else scaling.conditions_of(steps)
        yield steps.values[new], conditions[new]


def _conditions(windows: Sequence[Window], columns: list[int], scaling: Scaling, count: int, seed: int) -> tuple[Condition, ...]:
    settings = list(scaling.settings)
    values = np.concatenate([values[:, settings] for values, _ in _steps(windows, columns)])
    mean, scale = np.array(scaling.mean), np.array(scaling.scale)
    points = ((values - mean[settings]) / scale[settings])[~np.isnan(values).any(axis=1)]
    centres = [tuple(centre) for centre in k_means(points.astype(np.float32), count, seed).tolist()]
    unfitted = tuple(Condition(centre, scaling.mean, scaling.scale) for centre in centres)
    assigned = list(_steps(windows, columns, Scaling(scaling.mean, scaling.scale, scaling.settings, unfitted)))
    values, conditions = (np.concatenate(parts) for parts in zip(*assigned, strict=True))
    return tuple(_fitted(condition, values[conditions == index], scaling) for index, condition in enumerate(unfitted))


def _fitted(condition: Condition, values: Floats, scaling: Scaling) -> Condition:
    """The condition with the scaling of its own steps; settings, and sensors that it never observed, as everywhere."""
    general = np.isin(np.arange(values.shape[1]), scaling.settings) | np.isnan(values).all(axis=0)
    here = fit_scaling(values)
    mean, scale = np.where(general, scaling.mean, here.mean), np.where(general, scaling.scale, here.scale)
    return Condition(condition.centre, tuple(mean.tolist()), tuple(scale.tolist()))


def _spread(points: NDArray[np.float64], counts: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.float64]:
    chosen = [points[random.choice(len(points), p=counts / counts.sum())]]
    while len(chosen) < count:
        nearest = _distances(points, np.array(chosen)).min(axis=1) * counts
        chosen.append(points[random.choice(len(points), p=nearest / nearest.sum())])
    return np.array(chosen)


def _lloyd(
    points: NDArray[np.float64], counts: NDArray[np.int64], centres: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.int64]]:
    """(sum of squared distances, centres, points of each) where no point changes its centre any more."""
    for _ in range(_ROUNDS):
        members = np.eye(len(centres))[_distances(points, centres).argmin(axis=1)] * counts[:, None]
        sizes = members.sum(axis=0)
        moved = np.where(sizes[:, None] > 0, members.T @ points / np.maximum(sizes, 1)[:, None], centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return float((_distances(points, centres).min(axis=1) * counts).sum()), centres, sizes.astype(np.int64)


def _distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared, points x centres."""
    squared: NDArray[np.float64] = np.square(points[:, None, :] - centres).sum(axis=2)
    return squared

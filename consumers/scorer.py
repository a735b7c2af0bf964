"""The scorer: windows to predictions. The only process that loads a model library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from consumers.reload import BundleWatch
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.core.batching import BatchPolicy
from pipeline.errors import ConfigurationError, ModelRefused
from pipeline.scoring.calibrate import calibrated
from pipeline.scoring.engine import Engine
from pipeline.scoring.load import Opening, load_scorer
from pipeline.scoring.scorer import Scorer
from pipeline.stages.protocol import SHADOW, Modelled
from pipeline.stages.score import ScoreOptions, ScoreStage, ScoreTopics


def scorer(settings: Settings, any_windows: bool = False) -> ScoreStage:
    """The stage that scores windows; `any_windows` accepts a model made for other windows. Raises `ModelRefused`."""
    names = settings.topics
    return _stage(settings, "score", ScoreTopics(names.windows, names.predictions, names.rejected), any_windows)


def shadow_scorer(settings: Settings, any_windows: bool = False) -> ScoreStage:
    """The stage that scores the same windows with the second model, to a topic of its own. Raises `ModelRefused`."""
    names = settings.topics
    return _stage(settings, SHADOW, ScoreTopics(names.windows, names.shadow, None), any_windows)


def watched(settings: Settings, stages: Sequence[Modelled], any_windows: bool = False) -> list[BundleWatch]:
    """Who follows the bundles of these stages."""
    return [
        BundleWatch(_folder(settings, stage.name), partial(_successor, settings, stage.name, any_windows), stage)
        for stage in stages
        if isinstance(stage, ScoreStage)
    ]


def _stage(settings: Settings, name: str, topics: ScoreTopics, any_windows: bool) -> ScoreStage:
    options = ScoreOptions(name, settings.model.step_outputs, settings.model.drift_alert)
    return ScoreStage(topics, _load(settings, name, any_windows), settings.window.policy(), settings.sensors.names, options)


def _successor(settings: Settings, stage: str, any_windows: bool) -> Scorer:
    """As `_load`. A running model is not replaced by one without the outputs that alert rules are about."""
    loaded = _load(settings, stage, any_windows)
    missing = [rule.output for rule in settings.alerts if rule.output not in (None, *loaded.output_names)]
    if missing:
        raise ModelRefused(f"it does not give {missing[0]}, which a rule of [[alerts]] is about; it gives {', '.join(loaded.output_names)}")
    return loaded


def _load(settings: Settings, stage: str, any_windows: bool) -> Scorer:
    """The scorer of what is in the stage's folder now. Raises `ModelRefused`."""
    sensors, model = settings.sensors, settings.model
    opening = Opening(model.engine, any_windows, partial(_batching, batch_size=model.batch_size))
    return load_scorer(_folder(settings, stage), sensors.names, settings.window.policy(), codes=sensors.codes, opening=opening)


def _folder(settings: Settings, stage: str) -> Path:
    if stage == SHADOW:
        if settings.model.shadow is None:
            raise ConfigurationError('model.shadow: is not set; write [model] shadow = "models/next", the folder of a bundle, or --shadow')
        return settings.model.shadow
    if settings.model.path is None:
        raise ConfigurationError('model.path: is not set; write [model] path = "models/pump", the folder of a bundle')
    return settings.model.path


def _batching(engine: Engine, batch_size: int | None) -> BatchPolicy:
    """As configured, or as this machine does best."""
    return calibrated(engine, SystemClock()) if batch_size is None else replace(engine.batching, max_rows=batch_size)

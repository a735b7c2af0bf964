"""Follows the bundles of running score stages: another bundle is loaded and proven beside the work, then the stage goes on with it.

A stage keeps its model until another one has passed all that a start would have asked of it. Knows no broker.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import ModelRefused
from pipeline.scoring.bundle import contract_sha256
from pipeline.scoring.scorer import Scorer
from pipeline.stages.score import ScoreStage

log = logging.getLogger(__name__)

ENDS_WITHIN_S = 5.0

# By file of the folder: what changes when somebody writes it. Empty where there is no folder.
Fingerprint = frozenset[tuple[str, int, int, int]]


class _Doubt(NamedTuple):
    """What was in the folder when it was refused, and why."""

    seen: Fingerprint
    refusal: Exception


class BundleWatch:
    """Looks, time and again, whether the bundle of a stage is another one."""

    def __init__(self, folder: Path, load: Callable[[], Scorer], stage: ScoreStage) -> None:
        """`load`: the scorer of what is in the folder then; raises `ModelRefused`."""
        self._folder = folder
        self._load = load
        self._stage = stage
        self._counts = Counter(model_reloads=0, model_reload_failures=0, model_refused=0)
        self._settled: Fingerprint | None = None
        self._doubt: _Doubt | None = None
        stage.watched = dict(self._counts)

    def look(self) -> None:
        """One look. A bundle that is refused may still be being written: it counts as refused when the next look finds it unchanged."""
        seen = fingerprint(self._folder)
        if seen == self._settled:
            return
        if self._doubt is not None and self._doubt.seen == seen:
            self._refuse(self._doubt)
            return
        try:
            self._follow(seen)
        except Exception as refusal:  # whatever a bundle does to its loader must not end the scoring
            self._doubt = _Doubt(seen, refusal)

    def _follow(self, seen: Fingerprint) -> None:
        before = self._stage.model
        if contract_sha256(self._folder) != before.sha256:
            scorer = self._load()
            self._stage.replace(scorer)
            self._counts["model_reloads"] += 1
            after = scorer.identity
            told = "%s: the model is now %s %s (%s), no longer %s %s"
            log.info(told, self._stage.name, after.name, after.version, after.engine, before.name, before.version)
        self._settle(seen, refused=False)

    def _refuse(self, doubt: _Doubt) -> None:
        self._counts["model_reload_failures"] += 1
        before = self._stage.model
        told = "%s: goes on with the model %s %s, as the bundle at %s is refused: %s"
        unexpected = None if isinstance(doubt.refusal, ModelRefused) else doubt.refusal
        log.error(told, self._stage.name, before.name, before.version, self._folder, doubt.refusal, exc_info=unexpected)
        self._settle(doubt.seen, refused=True)

    def _settle(self, seen: Fingerprint, refused: bool) -> None:
        self._settled, self._doubt = seen, None
        self._counts["model_refused"] = int(refused)
        self._stage.watched = dict(self._counts)


def fingerprint(folder: Path) -> Fingerprint:
    """Tells what is in a folder from what was there before, without reading it. Follows a link to the folder."""
    found = set()
    with suppress(OSError):
        for file in folder.iterdir():
            # A file that is gone again is one that changed.
            with suppress(OSError):
                status = file.stat()
                found.add((file.name, status.st_size, status.st_mtime_ns, status.st_ino))
    return frozenset(found)


@contextmanager
def following(watches: Sequence[BundleWatch], every_s: float) -> Iterator[None]:
    """Looks every so many seconds, in a thread of its own, until the end of the block."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(every_s):
            for watch in watches:
                watch.look()

    thread = threading.Thread(target=run, name="reload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        # It may be loading a model just now, which is not worth more of the time in which a process should end.
        thread.join(ENDS_WITHIN_S)

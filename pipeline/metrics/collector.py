"""Counts as Prometheus metrics: those of runners, and of what has none (a feed, a page)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.core.buckets import Buckets
from pipeline.metrics.names import COUNTERS, GAUGES, HISTOGRAMS, LABELLED, LABELLED_GAUGES, PREFIX, Labelled, Named
from pipeline.runner import Runner
from pipeline.stages.protocol import Modelled

LABELS = ("pipeline", "stage")
OF_HISTOGRAMS = frozenset(count for buckets in HISTOGRAMS for count in (buckets.name, *buckets.counts))
BEGINNINGS = (*LABELLED, *LABELLED_GAUGES)

Counts = Mapping[tuple[str, str], Mapping[str, int]]  # by pipeline and stage


class Counted(Protocol):
    """What has counts; asked from another thread."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Running totals by name."""
        ...

    @property
    def gauges(self) -> Mapping[str, int]:
        """What is true now, by name."""
        ...


class CountsCollector(Collector):
    """Asks one part of a process for its counts when Prometheus asks for them."""

    def __init__(self, pipeline: str, stage: str, counted: Counted) -> None:
        self._counted = {(pipeline, stage): counted}

    def collect(self) -> Iterable[Metric]:
        return _families(self._counted)


class RunnerCollector(Collector):
    """Asks the runners for their counts, and which models they have, when Prometheus asks for them."""

    def __init__(self, pipeline: str, runners: Sequence[Runner]) -> None:
        self._pipeline = pipeline
        self._runners = tuple(runners)

    def collect(self) -> Iterable[Metric]:
        yield from _families({(self._pipeline, runner.stage.name): runner for runner in self._runners})
        yield from self._models()

    def _models(self) -> Iterator[Metric]:
        family = InfoMetricFamily(f"{PREFIX}model", "The model that scores.", labels=LABELS)
        for runner in self._runners:
            if isinstance(runner.stage, Modelled):
                model = runner.stage.model
                facts = {"name": model.name, "version": model.version, "sha256": model.sha256, "engine": model.engine}
                family.add_metric([self._pipeline, runner.stage.name], facts)
        if family.samples:
            yield family


def _families(counted: Mapping[tuple[str, str], Counted]) -> Iterator[Metric]:
    counts = {labels: one.counts for labels, one in counted.items()}
    yield from _gauges({labels: {**counts[labels], **one.gauges} for labels, one in counted.items()})
    yield from _counters(counts)
    yield from _labelled(counts, LABELLED, CounterMetricFamily)
    yield from _labelled(counts, LABELLED_GAUGES, GaugeMetricFamily)
    for buckets, named in HISTOGRAMS.items():
        yield from _histogram(counts, buckets, named)


def _gauges(counts: Counts) -> Iterator[Metric]:
    for count, named in GAUGES.items():
        family = GaugeMetricFamily(PREFIX + named.name, named.help, labels=LABELS)
        for labels, values in counts.items():
            if count in values:
                family.add_metric(labels, values[count] / named.divisor)
        if family.samples:
            yield family


def _counters(counts: Counts) -> Iterator[Metric]:
    names = sorted({*COUNTERS, *(count for values in counts.values() for count in values)})
    for count in names:
        if count in GAUGES or count in OF_HISTOGRAMS or count.startswith(BEGINNINGS):
            continue
        named = COUNTERS.get(count) or Named(count, f"Running total: {count.replace('_', ' ')}.")
        family = CounterMetricFamily(PREFIX + named.name, named.help, labels=LABELS)
        for labels, values in counts.items():
            if count in values or labels[1] in named.stages:
                family.add_metric(labels, values.get(count, 0) / named.divisor)
        if family.samples:
            yield family


def _labelled(
    counts: Counts, named: Mapping[str, Labelled], family: type[CounterMetricFamily] | type[GaugeMetricFamily]
) -> Iterator[Metric]:
    families: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
    for labels, values in counts.items():
        for count, value in values.items():
            for beginning, labelled in named.items():
                if count.startswith(beginning):
                    families[beginning].append(((*labels, count.removeprefix(beginning)), value / labelled.divisor))
    for beginning, samples in families.items():
        labelled = named[beginning]
        made = family(PREFIX + labelled.name, labelled.help, labels=(*LABELS, labelled.label))
        for names, number in samples:
            made.add_metric(names, number)
        yield made


def _histogram(counts: Counts, buckets: Buckets, named: Named) -> Iterator[Metric]:
    family = HistogramMetricFamily(PREFIX + named.name, named.help, labels=LABELS)
    for labels, values in counts.items():
        if buckets.name not in values:
            continue
        bounds = [*(str(bound / named.divisor) for bound in buckets.bounds), "+Inf"]
        totals = accumulate(values.get(count, 0) for count in buckets.counts)
        filled = [(bound, float(total)) for bound, total in zip(bounds, totals, strict=True)]
        family.add_metric(labels, filled, values[buckets.name] / named.divisor)
    if family.samples:
        yield family

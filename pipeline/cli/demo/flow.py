"""The demo's work, step by step, by the functions that the commands call."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from consumers.launch import TOPICS_OF, Launch, build_stages, require_topics, run_stages
from pipeline.brokers.protocol import Broker, Record
from pipeline.brokers.reading import read_now
from pipeline.cli.context import connected, connector
from pipeline.cli.demo.narration import Narrator, Step
from pipeline.cli.demo.place import Place
from pipeline.cli.demo.story import OUTPUT, Wear
from pipeline.cli.expected import expected_topics
from pipeline.clock import SystemClock
from pipeline.config import Configuration
from pipeline.process import stop_on_signals
from pipeline.recordings.labels import read_labels
from pipeline.recordings.ordering import in_replay_order
from pipeline.records import Alert, Prediction, Window
from pipeline.runner import Finish
from pipeline.training.files import TrainingFiles, contract_sensors, labelled_windows
from pipeline.training.progress import Epoch, Watch
from pipeline.training.recipe import Architecture, Fitting, Recipe
from pipeline.training.train import Destination, train_bundle
from pipeline.wire.alerts import decode_alert
from pipeline.wire.headers import header
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import decode_window
from producers.pacing import Pacer
from producers.replay import ReplayPolicy, replay
from producers.simulate import record_fleet
from producers.simulator.spec import HOUR_MS, FleetSpec

LOOK_EVERY_S = 0.2
HOURS = 8
TRAINING_SEED, WATCHED_SEED = 1, 2
TRAINING_MACHINES = 2  # for each that is watched
UNITS, EPOCHS = 32, 30
RECIPE = Recipe(architecture=Architecture(units=(UNITS,)), fitting=Fitting(epochs=EPOCHS))


def commands(devices: int) -> str:
    """The commands that do the same, one on each line; to be given in the demo's folder."""
    fleet = f"--rate 0.25 --duration {HOURS}h"
    return (
        f"sensorline simulate --devices {devices * TRAINING_MACHINES} --seed {TRAINING_SEED} {fleet} "
        "--out training.parquet --labels training-labels.parquet\n"
        f"sensorline simulate --devices {devices} --seed {WATCHED_SEED} {fleet} --out recording.parquet --labels labels.parquet\n"
        "sensorline train --recording training.parquet --labels training-labels.parquet --out models/wear "
        f"--units {UNITS} --epochs {EPOCHS}\n"
        "sensorline topics create\n"
        "sensorline replay recording.parquet --speed max\n"
        "sensorline run --drain"
    )


@dataclass(frozen=True)
class Results:
    """What is on the topics at the end."""

    windows: list[Window]
    predictions: list[Prediction]
    alerts: list[Alert]
    refused: Mapping[str, int]  # readings, by device


def simulate(place: Place, devices: int, narrator: Narrator) -> None:
    """Records two fleets of the same kind, one to learn from and one to watch."""
    learnt_from = devices * TRAINING_MACHINES
    with narrator.step(f"{devices} machines work for {HOURS} hours, and {learnt_from} others to learn from") as step:
        step.show("simulating those to learn from")
        count = record_fleet(_fleet(learnt_from, TRAINING_SEED), *place.training)
        step.show("simulating those to watch")
        count += record_fleet(_fleet(devices, WATCHED_SEED), *place.watched)
        step.conclude(f"{count:,} readings: irregular, in bursts, out of order, some twice")


def _fleet(devices: int, seed: int) -> FleetSpec:
    return FleetSpec(devices=devices, seed=seed, duration_ms=HOURS * HOUR_MS, period_ms=4_000, rest_ms=(90_000, 300_000))


def train(chosen: Configuration, place: Place, narrator: Narrator) -> None:
    """Trains the bundle on the first fleet."""
    settings = chosen.settings
    with narrator.step("An LSTM learns the wear behind the readings") as step:
        step.show("cutting the recording into windows")
        labelled = labelled_windows(settings, TrainingFiles(*place.training), RECIPE, Counter())
        step.show("starting TensorFlow")
        destination = Destination(place.bundle, place.bundle.name)
        policy = settings.window.policy()
        made = train_bundle(labelled, contract_sensors(settings), policy, RECIPE, destination, Watch(partial(_show_epoch, step)))
        metrics = made.contract.metrics["held_out"][OUTPUT]
        error, guess = metrics["rmse"], metrics["rmse_of_mean"]
        step.conclude(f"{len(labelled.windows):,} windows; off by {error:.2f} on machines held out (guessing: {guess:.2f})")


def _show_epoch(step: Step, epoch: Epoch) -> None:
    step.show(f"epoch {epoch.number} of {epoch.epochs}", epoch.number, epoch.epochs)


def replay_recording(chosen: Configuration, place: Place, narrator: Narrator) -> None:
    """Makes the topics and replays the second fleet's recording to them. Raises `KeyboardInterrupt` where it is stopped."""
    settings, connect = chosen.settings, connector(chosen)
    with narrator.step("The others' readings go to the log") as step, stop_on_signals() as stop:
        with connected(connect) as broker:
            for topic in expected_topics(settings):
                broker.create_topic(topic)
            step.show("reading the recording")
            recording = in_replay_order(place.watched[0], tuple(settings.sensors.codes))
            done = replay(
                broker,
                settings.topics.readings,
                recording.readings,
                ReplayPolicy(settings.window.idle_timeout_ms, speed=None),
                Pacer(SystemClock(), stop),
                lambda count, _time: step.show("readings", count, recording.total),
            )
        step.conclude(f"{done.readings:,} readings on topic {settings.topics.readings}, in {settings.topics.partitions} partitions")
    _end_if(stop)


def run(chosen: Configuration, narrator: Narrator) -> None:
    """Runs all stages to the end of the log. Raises `KeyboardInterrupt` where it is stopped."""
    settings, connect = chosen.settings, connector(chosen)
    launch = Launch(tuple(TOPICS_OF), finish=Finish.DRAIN)
    with narrator.step("Readings become windows, windows scores, scores alerts") as step, stop_on_signals() as stop:
        step.show("loading the model")
        stages = build_stages(settings, launch)
        with connected(connect) as broker:
            require_topics(broker, settings, launch, stages)
        with _watching(connect, settings.topics.names(), step):
            run_stages(settings, launch, stages, connect, stop)
        with connected(connect) as broker:
            step.conclude(_counted(broker, settings.topics.names()))
    _end_if(stop)


@contextmanager
def _watching(connect: Callable[[], Broker], topics: Mapping[str, str], step: Step) -> Iterator[None]:
    """Shows how much is on the topics while the block runs, seen through a connection of its own."""
    finished = threading.Event()

    def watch() -> None:
        with connected(connect) as broker:
            while not finished.wait(LOOK_EVERY_S):
                step.show(_counted(broker, topics))

    watcher = threading.Thread(target=watch, name="progress")
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _counted(broker: Broker, topics: Mapping[str, str]) -> str:
    def records(kind: str) -> int:
        return sum(broker.end_offsets(topics[kind]).values())

    return f"{records('windows')} windows, {records('predictions')} scores, {records('alerts')} alerts raised or cleared"


def _end_if(stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt


def results(chosen: Configuration) -> Results:
    """Reads the topics from their start."""
    topics = chosen.settings.topics

    with connected(connector(chosen)) as broker:

        def records(topic: str) -> Iterator[Record]:
            return read_now(broker, topic, broker.end_offsets(topic).keys())

        return Results(
            [decode_window(record.value or b"") for record in records(topics.windows)],
            [decode_prediction(record.value or b"") for record in records(topics.predictions)],
            [decode_alert(record.value or b"") for record in records(topics.alerts)],
            Counter((record.key or b"").decode() for record in records(topics.rejected) if _is_reading(record, topics.readings)),
        )


def _is_reading(record: Record, readings: str) -> bool:
    return header(record.headers, "source.topic") == readings.encode()


def real_wear(place: Place) -> Wear:
    """What only the simulator knows: the wear of each machine at each reading."""
    return {(label.device, label.time): label.outputs[OUTPUT] for label in read_labels(place.watched[1])}

"""`sensorline mqtt`, `http` and `ingest`: live readings of other systems come to the readings topic, each as one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from consumers.launch import Launch, run_stages
from pipeline.brokers.protocol import Broker
from pipeline.cli.context import configuration, connected, connector
from pipeline.clock import SystemClock
from pipeline.config import Configuration
from pipeline.errors import ConfigurationError, MissingTopic
from pipeline.process import stop_on_signals
from pipeline.runner import Finish
from pipeline.stages.protocol import Accept
from pipeline.wire.mapping import Mapper
from pipeline.wire.readings import ReadingDecoder

RECORD_BYTES = 1_024  # of a record's size, besides key and value, at most

Group = Annotated[str | None, typer.Option(metavar="NAME", help="The consumer group, instead of the pipeline's name and .ingest.")]
UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop at what is now the end of the topic.")]
LogStart = Annotated[bool, typer.Option("--from-log-start", help="Where the committed position is outside the log, begin at its start.")]


def mqtt(context: typer.Context) -> None:
    """Bridge the topics of an MQTT broker to the readings topic, until interrupted.

    A message is acknowledged to the broker after the log has acknowledged its reading.
    """
    from pipeline.metrics import Checks, CountsCollector, serve_process
    from producers.feeds.outbox import Log
    from producers.feeds.translation import FeedTopics, Translator
    from producers.mqtt import MqttBridge

    chosen = configuration(context)
    settings = chosen.settings
    if settings.mqtt is None:
        raise ConfigurationError('mqtt: there is no such section; write [mqtt] host = "localhost" topics = ["plant/{device}/{sensor}"]')
    connect = connector(chosen)
    most = _require_topics(chosen, connect)
    topics = FeedTopics(settings.topics.readings, settings.topics.rejected, most)
    decoder = ReadingDecoder(settings.sensors.names, settings.sensors.codes)
    translator = Translator(topics, settings.mqtt.patterns(), Mapper(settings.mqtt.mapping(settings.sensors.names), decoder))
    client_id = settings.mqtt.client_id or settings.group("mqtt")
    bridge = MqttBridge(settings.mqtt, client_id, translator, Log(connect, topics.readings), SystemClock())
    if settings.metrics is not None:
        checks = Checks(bridge.alive, bridge.ready)
        serve_process(settings.metrics.port, CountsCollector(settings.pipeline.name, "mqtt", bridge), checks)
    with stop_on_signals() as stop:
        bridge.run(stop)


def http(context: typer.Context) -> None:
    """Take readings by HTTP, until interrupted.

    A request is answered with 202 after the log has acknowledged its readings. The page /docs shows what can be sent.
    """
    from pipeline.metrics import Checks, CountsCollector, serve_process
    from producers.feeds.api_keys import ApiKeys
    from producers.feeds.bodies import BodyReader
    from producers.feeds.http_service import ReadingsService
    from producers.feeds.outbox import Log
    from producers.http import serve

    chosen = configuration(context)
    settings = chosen.settings
    if settings.http is None:
        raise ConfigurationError("http: there is no such section; write [http] port = 8080")
    keys = ApiKeys(settings.http.keys_file) if settings.http.keys_file is not None else None
    connect = connector(chosen)
    most = _require_topics(chosen, connect)
    reader = BodyReader(settings.topics.readings, ReadingDecoder(settings.sensors.names, settings.sensors.codes), most)
    service = ReadingsService(settings.http, reader, keys, Log(connect, settings.topics.readings), SystemClock())
    if settings.metrics is not None:
        checks = Checks(service.outbox.alive, service.outbox.ready)
        serve_process(settings.metrics.port, CountsCollector(settings.pipeline.name, "http", service), checks)
    with stop_on_signals() as stop:
        serve(settings.http, service, stop)


def ingest(context: typer.Context, group: Group = None, until_end: UntilEnd = False, from_log_start: LogStart = False) -> None:
    """Make readings of the records of any JSON topic, until interrupted."""
    from producers.ingest import ingester

    chosen = configuration(context)
    stage = ingester(chosen.settings)
    connect = connector(chosen)
    _require_topics(chosen, connect, stage.source)
    finish = Finish.UNTIL_END if until_end else Finish.NEVER
    launch = Launch((), group, finish, accept=Accept.LOG_START if from_log_start else Accept.NOTHING)
    with stop_on_signals() as stop:
        run_stages(chosen.settings, launch, [stage], connect, stop)


def _require_topics(chosen: Configuration, connect: Callable[[], Broker], source: str | None = None) -> int:
    """How many bytes of key and value the readings topic takes. Raises `MissingTopic`, `BrokerUnreachable`."""
    topics = chosen.settings.topics
    with connected(connect) as broker:
        there = broker.topics()
    if source is not None and source not in there:
        raise MissingTopic(f"there is no topic {source}, which ingest.topic names; its owner makes it")
    missing = [topic for topic in (topics.readings, topics.rejected) if topic not in there]
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")
    return there[topics.readings].max_message_bytes - RECORD_BYTES
